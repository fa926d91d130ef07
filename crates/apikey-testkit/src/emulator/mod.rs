//! A Kinde emulator on a real loopback socket.
//!
//! It answers what a protected API asks of Kinde, with Kinde's body formats and Kinde's unusual statuses, and it
//! fails when a test says so.
//!
//! ```
//! use apikey_testkit::emulator::{Emulator, Endpoint, Fault, KeySpecification};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let emulator = Emulator::start().await?;
//! let key = emulator.create_key(KeySpecification::new("reader").scopes(["read:users"]));
//! emulator.set_fault(Endpoint::Verify, Some(Fault::status(503)));
//! // ... point the code under test at `emulator.environment()`, present `key.secret` ...
//! assert_eq!(emulator.verify_calls_for(&key.secret), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Endpoints
//!
//! | route | answers |
//! | --- | --- |
//! | `POST /oauth2/token` | a machine-to-machine token for client id, secret and audience, all in the form |
//! | `POST /api/v1/api_keys/verify` | the verification of `{"api_key": "..."}` |
//! | `POST /api/v1/api_keys` | 201 and a new key; `scope_ids` are taken as the names of the scopes |
//! | `GET /api/v1/api_keys` | a page of keys: `page_size`, `starting_after`, `key_type`, `status`, `user_id`, `org_code`, `api_id` |
//! | `GET`, `PUT`, `DELETE /api/v1/api_keys/{key_id}` | the key, its rotation, its revocation |
//! | `GET /.well-known/jwks` | the public key for [`Emulator::webhook`] |
//!
//! Every endpoint under `/api` needs a token from `POST /oauth2/token` that has not expired and is not
//! revoked. A token lives as long as its `expires_in` says. The emulator reads at most 64 KiB of a request body.
//!
//! # Faults
//!
//! Faults apply before the emulator checks the request. For a verify call, the first of these that is set decides:
//!
//! 1. the connection: [`Emulator::reset_connections_once`], [`Emulator::close_connections_at_use`];
//! 2. its backend: [`Emulator::set_backend_fault`];
//! 3. a full [`Emulator::limit_concurrency`];
//! 4. the presented secret: [`Emulator::set_key_fault`], then [`Emulator::set_prefix_fault`], then
//!    [`Emulator::set_unknown_key_fault`];
//! 5. the endpoint: [`Emulator::script_faults`], then [`Emulator::set_fault`].
//!
//! Faults 1, 2 and 5 apply if a client asks for a token, for the public key, or for one key by its id. Faults 1 and 2 apply if
//! it calls another part of the management API.
//!
//! # Control plane
//!
//! For tests that run in another process than the emulator. The control plane reveals every secret, so the emulator
//! listens only on loopback addresses. None of its requests counts as a call.
//!
//! | route | effect |
//! | --- | --- |
//! | `GET /_emulator/counters` | the [`Counters`] as JSON |
//! | `DELETE /_emulator/counters` | [`Emulator::reset_counters`] |
//! | `PUT /_emulator/faults/verify`, `.../token`, `.../jwks`, `.../api_key` | the standing fault; with an array of faults and `null`s, the script |
//! | `DELETE /_emulator/faults/verify`, `.../token`, `.../jwks`, `.../api_key` | no fault and no script |
//! | `PUT /_emulator/faults/keys` | a fault for calls with certain keys: `{"secret": "k_live_...", "fault": {...}}`, `{"prefix": "k_li", "fault": {...}}` or `{"unknown": true, "fault": {...}}`; `"fault": null` ends it |
//! | `DELETE /_emulator/faults/keys` | [`Emulator::clear_key_faults`] |
//! | `PUT /_emulator/negative_answer` | `{"style": "ok200"}`, or another [`NegativeAnswer`] in lower case |
//! | `PUT`, `DELETE /_emulator/unknown_key_answer` | the same for unknown keys only: [`Emulator::set_unknown_key_answer`] |
//! | `PUT`, `DELETE /_emulator/malformed_key_answer` | the same for malformed keys only: [`Emulator::set_malformed_key_answer`] |
//! | `GET /_emulator/keys` | all keys with their secrets |
//! | `PUT /_emulator/keys/{key_id}/status` | `{"status": "revoked"}`, or any other |
//! | `PUT /_emulator/keys/{key_id}/api_ids` | `{"api_ids": ["api_1"]}`, or any other JSON; `{}` leaves the member out |
//! | `POST /_emulator/tokens/revoke` | [`Emulator::revoke_tokens`] |
//! | `POST /_emulator/webhooks` | [`Emulator::webhook`] for `{"type": "user.deleted", "data": {"user": {"id": "kp_1"}}}` |
//! | `POST /_emulator/webhooks/rotate` | [`Emulator::rotate_webhook_key`] |
//! | `GET /_emulator/backends` | [`Emulator::backend_counters`] |
//! | `PUT /_emulator/backends` | `{"count": 3}`, in turn, or at random with a `"seed"`: [`Emulator::set_backends`] |
//! | `PUT`, `DELETE /_emulator/backends/{index}/fault` | [`Emulator::set_backend_fault`] |
//! | `PUT`, `DELETE /_emulator/concurrency_limit` | `{"most": 10, "milliseconds": 50}`, with an optional `"retry_after"` and `"rate_limit_reset"`: [`Emulator::limit_concurrency`] |
//! | `POST /_emulator/connections/cut`, `.../silence`, `.../drain`, `.../reset_once` | [`Emulator::cut_connections`] and its like, for all connections except the one with the command; the answer has their number |
//! | `PUT`, `DELETE /_emulator/connections/close_at_use` | `{"nth": 2}`: [`Emulator::close_connections_at_use`] |
//! | `PUT`, `DELETE /_emulator/connections/close_idle` | `{"milliseconds": 50}`: [`Emulator::close_idle_connections`] |
//! | `POST /_emulator/connections/refuse`, `.../hang_new` | `{"milliseconds": 5000}`: [`Emulator::refuse_connections`], [`Emulator::hang_new_connections`] for this long |
//!
//! A fault is one of `{"kind":"latency","milliseconds":200}`, `{"kind":"hang"}`, `{"kind":"reset"}`,
//! `{"kind":"close"}`, `{"kind":"status","status":503}` (with an optional `"body"`),
//! `{"kind":"too_many_requests","rate_limit_reset":5,"retry_after":5}` (both optional), `{"kind":"garbage"}`,
//! `{"kind":"raw_garbage"}`, `{"kind":"raw_answer","bytes":"HTTP/1.1 200 OK\r\n..."}`,
//! `{"kind":"huge_body","bytes":1000000}`, `{"kind":"empty"}`, `{"kind":"slow_body","milliseconds":10}`,
//! `{"kind":"redirect","location":"/elsewhere"}`, `{"kind":"flap"}`,
//! `{"kind":"answer","status":200,"headers":[["name","value"]],"body":"..."}`, `{"kind":"stalled_body",...}` with the
//! same members, and `{"kind":"after","milliseconds":200,"fault":{...}}`.
//!
//! ```text
//! curl -X PUT http://127.0.0.1:4010/_emulator/faults/verify -d '{"kind":"status","status":503}'
//! ```

mod answer;
mod backends;
mod builder;
mod business;
mod connection;
mod connection_faults;
mod control;
mod counters;
mod door;
mod effect;
mod faults;
mod key_faults;
mod keys;
mod link;
mod lock;
mod management;
mod overload;
pub(crate) mod random;
mod request;
mod routes;
mod seed;
mod state;
mod stream;
mod tls;
mod token_store;
mod tokens;
mod verify;
mod webhooks;

use std::{collections::BTreeMap, fmt, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinHandle, time::timeout};

pub use answer::{NegativeAnswer, ScriptedAnswer};
pub use backends::{BackendChoice, BackendCounters, Backends};
pub use builder::EmulatorBuilder;
pub use counters::Counters;
pub use faults::{Endpoint, Fault, Gate};
pub use keys::{DEFAULT_API_ID, IssuedKey, KeySpecification};
pub use overload::ConcurrencyLimit;
pub use seed::{SeededKey, seed_keys};
pub use tls::{Alpn, TlsIdentity};

use lock::locked;
use state::State;

/// How long [`Emulator::wait_until`] waits before it gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running emulator.
///
/// All methods take effect at the next request, without a restart. Dropping the emulator stops it and cuts all its
/// connections. [`stop`](Emulator::stop) does the same and waits until the port is free.
pub struct Emulator {
    state: Arc<State>,
    stopping: Arc<Notify>,
    server: JoinHandle<()>,
}

impl Emulator {
    /// Starts an emulator with the default settings on a free port of `127.0.0.1`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start() -> std::io::Result<Emulator> {
        Emulator::builder().start().await
    }

    /// Starts to build an emulator with other settings.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    /// Stops the server, cuts its connections, and returns when the port is free.
    pub async fn stop(mut self) {
        self.stopping.notify_one();
        let _ = (&mut self.server).await;
    }

    /// The address on which the emulator listens.
    pub fn address(&self) -> SocketAddr {
        self.state.address
    }

    /// The address as a URL without a trailing slash: `http://127.0.0.1:4010`, or `https://localhost:4010` with TLS.
    pub fn url(&self) -> String {
        match self.state.tls {
            None => format!("http://{}", self.state.address),
            Some(_) => format!("https://localhost:{}", self.state.address.port()),
        }
    }

    /// The client id for which the emulator issues tokens.
    pub fn client_id(&self) -> &str {
        &self.state.settings.client_id
    }

    /// The secret of [`client_id`](Emulator::client_id). It is random unless the builder set it.
    pub fn client_secret(&self) -> &str {
        &self.state.settings.client_secret
    }

    /// The audience for which the emulator issues tokens. It also accepts its own `http(s)://{host}:{port}/api`.
    pub fn audience(&self) -> &str {
        &self.state.settings.audience
    }

    /// The environment variables with which an API uses this emulator.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("KINDE_DOMAIN", self.url()),
            ("KINDE_MANAGEMENT_CLIENT_ID", self.client_id().to_owned()),
            ("KINDE_MANAGEMENT_CLIENT_SECRET", self.client_secret().to_owned()),
            ("KINDE_MANAGEMENT_AUDIENCE", self.audience().to_owned()),
        ]
    }

    /// Creates a key. It replaces a key with the same key id, whose secret then is unknown.
    pub fn create_key(&self, specification: KeySpecification) -> IssuedKey {
        locked(&self.state.business.keys).create(specification)
    }

    /// Gives a key a new secret. The old one is unknown from now on. `None`: there is no key with this key id.
    pub fn rotate(&self, key_id: &str) -> Option<IssuedKey> {
        locked(&self.state.business.keys).rotate(key_id)
    }

    /// Sets a key's status: `active`, `inactive`, `revoked` or anything else. `false`: there is no key with this key
    /// id.
    pub fn set_status(&self, key_id: &str, status: &str) -> bool {
        locked(&self.state.business.keys).set_status(key_id, status)
    }

    /// Replaces a key's scopes; with `None`, answers contain `null`. `false`: there is no key with this key id.
    pub fn set_scopes(&self, key_id: &str, scopes: Option<Vec<String>>) -> bool {
        locked(&self.state.business.keys).set_scopes(key_id, scopes)
    }

    /// Sets the value of `api_ids` when a client asks for the key by its id: the ids of the APIs that the key is for, or any
    /// other JSON. With `None` there is no such member. `false`: there is no key with this key id.
    ///
    /// ```
    /// # use apikey_testkit::emulator::{Emulator, KeySpecification};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let emulator = Emulator::start().await?;
    /// let key = emulator.create_key(KeySpecification::new("reader").api_ids(["api_1"]));
    /// assert!(emulator.set_api_ids(&key.key_id, Some(serde_json::json!(["api_2"]))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_api_ids(&self, key_id: &str, api_ids: Option<serde_json::Value>) -> bool {
        locked(&self.state.business.keys).set_api_ids(key_id, api_ids)
    }

    /// Revokes a key. `false`: there is no key with this key id.
    pub fn revoke(&self, key_id: &str) -> bool {
        self.set_status(key_id, "revoked")
    }

    /// Sets what the verify endpoint answers for this key; `None` restores the normal answer.
    ///
    /// The emulator still checks token and scope first, and does not count the verification at the key.
    ///
    /// # Panics
    ///
    /// If no key has this key id, because nobody would get the answer.
    pub fn set_answer(&self, key_id: &str, answer: Option<ScriptedAnswer>) {
        let known = locked(&self.state.business.keys).set_answer(key_id, answer);
        assert!(known, "the emulator has no key with the key id {key_id}");
    }

    /// Sets the answer for unknown, inactive and revoked keys.
    pub fn set_negative_answer(&self, style: NegativeAnswer) {
        *locked(&self.state.business.negative_answer) = style;
    }

    /// Sets a different answer for unknown keys only; with `None`,
    /// [`set_negative_answer`](Emulator::set_negative_answer) decides for them, too.
    pub fn set_unknown_key_answer(&self, style: Option<NegativeAnswer>) {
        *locked(&self.state.business.unknown_key_answer) = style;
    }

    /// Sets a different answer for malformed keys only, which do not begin with `k_`; with `None`, they are answered as
    /// other unknown keys.
    pub fn set_malformed_key_answer(&self, style: Option<NegativeAnswer>) {
        *locked(&self.state.business.malformed_key_answer) = style;
    }

    /// Sets the fault of an endpoint until the next change; `None` ends it.
    pub fn set_fault(&self, endpoint: Endpoint, fault: Option<Fault>) {
        locked(self.state.faults(endpoint)).set_standing(fault);
    }

    /// Sets faults for the next calls, one for each. They take precedence over the standing fault; `None` is a normal
    /// answer.
    ///
    /// A script replaces the rest of an earlier one.
    pub fn script_faults(&self, endpoint: Endpoint, faults: Vec<Option<Fault>>) {
        locked(self.state.faults(endpoint)).set_script(faults);
    }

    /// Revokes all issued tokens. Calls with one of them get a 401 with code `TOKEN_INVALID`.
    pub fn revoke_tokens(&self) {
        locked(&self.state.business.tokens).revoke_all();
    }

    /// While `true`, tokens lack the scope `read:api_keys`: calls get a 403 with code `SCOPE_MISSING`. See also
    /// [`EmulatorBuilder::client_without_scope`].
    pub fn deny_scope(&self, denied: bool) {
        self.state.business.set_scope_denied(denied);
    }

    /// All tokens that the emulator ever issued, oldest first. Tests look for them in logs and answers.
    pub fn issued_tokens(&self) -> Vec<String> {
        locked(&self.state.business.tokens).issued()
    }

    /// The body of a webhook about an event of this type, which happened now. It is signed with the business's key. Each
    /// event has another id.
    ///
    /// ```
    /// # use apikey_testkit::emulator::Emulator;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let emulator = Emulator::start().await?;
    /// let body = emulator.webhook("user.deleted", serde_json::json!({"user": {"id": "kp_alice"}}));
    /// // ... `POST` it to the code under test ...
    /// # assert_eq!(body.split('.').count(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn webhook(&self, event_type: &str, data: serde_json::Value) -> String {
        locked(&self.state.business.signing_key).event(event_type, &data)
    }

    /// A token with any header and any payload. It is signed with RS256 and the business's key, whatever its header says.
    pub fn sign(&self, header: &serde_json::Value, payload: &[u8]) -> String {
        locked(&self.state.business.signing_key).token(header, payload)
    }

    /// The name (`kid`) of the business's key for webhooks.
    pub fn webhook_key(&self) -> String {
        locked(&self.state.business.signing_key).name()
    }

    /// Gives the business another key for webhooks. The key set has the new one alone.
    pub fn rotate_webhook_key(&self) {
        locked(&self.state.business.signing_key).rotate();
    }

    /// The counters as one consistent snapshot.
    pub fn counters(&self) -> Counters {
        self.state.counters.snapshot()
    }

    /// How many verify calls presented this secret.
    pub fn verify_calls_for(&self, secret: &str) -> u64 {
        self.state.counters.verify_calls_for(secret)
    }

    /// The protocol lists that clients offered in ALPN, joined with commas, and how often each was offered. Clients
    /// without ALPN count as an empty list.
    pub fn alpn_offers(&self) -> BTreeMap<String, u64> {
        self.state.counters.alpn_offers()
    }

    /// Sets all counters to 0, except those of verifications that are in flight or in service.
    pub fn reset_counters(&self) {
        self.state.reset_counters();
    }

    /// Waits until the counters satisfy a condition, and returns them as they were at that time.
    ///
    /// With this a test waits for "the request has reached Kinde" without sleeping.
    ///
    /// # Panics
    ///
    /// If the counters do not satisfy the condition within ten seconds.
    pub async fn wait_until(&self, condition: impl FnMut(&Counters) -> bool) -> Counters {
        match timeout(PATIENCE, self.state.counters.wait_until(condition)).await {
            Ok(counters) => counters,
            Err(_) => panic!(
                "the emulator's counters did not satisfy the condition within {} seconds, they are {:?}",
                PATIENCE.as_secs(),
                self.counters()
            ),
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Emulator").field("address", &self.state.address).finish_non_exhaustive()
    }
}
