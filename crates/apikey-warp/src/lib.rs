//! Protect a warp API with API keys that [Kinde](https://kinde.com) issues: one value built once, and filters by policy or
//! by type.
//!
//! ```no_run
//! use apikey_warp::{ApiKey, Authenticator, MaybeApiKey, Policy, Scoped, scopes};
//! use apikey_warp::{answer_refusals, api_key, optional_api_key, scoped};
//! use warp::Filter;
//!
//! scopes! { pub ReadUsers = "read:users"; pub WriteUsers = "write:users"; } // checked at compile time
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     tracing_subscriber::fmt::init(); // without a subscriber nobody sees the log
//!     let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
//!
//!     let me = warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key())).then(me);
//!     let users = warp::path!("users");
//!     let list = users.and(warp::get()).and(scoped::<ReadUsers>(&keys)).then(list);
//!     let create = users.and(warp::post()).and(scoped::<(ReadUsers, WriteUsers)>(&keys)).then(create);
//!     let public = warp::path!("public").and(warp::get()).and(optional_api_key(&keys)).then(public);
//!
//!     let routes = answer_refusals(&keys, me.or(list).or(create).or(public));
//!     warp::serve(routes).run(([127, 0, 0, 1], 3000)).await;
//!     Ok(())
//! }
//!
//! async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//! async fn list(_: Scoped<ReadUsers>) -> &'static str { "users" }
//! async fn create(_: Scoped<(ReadUsers, WriteUsers)>) -> &'static str { "created" }
//! async fn public(key: MaybeApiKey) -> &'static str { if key.key().is_some() { "hello again" } else { "hello" } }
//! ```
//!
//! ```toml
//! [dependencies]
//! apikey-warp = { path = "…" } # not on a registry yet
//! warp = { version = "0.4", features = ["server"] } # and `test` for tests
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! tracing-subscriber = "0.3" # or another subscriber: the log says what to change
//! ```
//!
//! # Decisions
//!
//! Filters decide nothing. The core decides, in the same way for every framework. Nobody can make a filter without an
//! [`Authenticator`], so no route can lack one.
//!
//! - Put path and method before the key filter. Otherwise a request looks up its key in every branch of `.or` that it
//!   reaches, and not only in the branch that it is meant for.
//! - Put [`answer_refusals`] around all routes. If you forget it, warp answers a refused request with a 500 that names the
//!   denial's code. That lets nobody in, but clients can't tell what is wrong.
//! - If several branches of `.or` refuse a request, [`recover()`] says which refusal the client sees. A 404 or 405 of
//!   another branch never hides a denial. But a branch that answers does: see the recipe "A fallback".
//! - Several key filters on one request verify its key one by one. With [`per_request()`] they verify it once.
//!
//! # What a refusal looks like
//!
//! [`DenialCode`] has the table: status, stable code, message. [`Denied`] is the reply. The response carries the
//! [`Denial`] in its extensions: a service around the routes finds it with `response.extensions().get::<Denial>()`.
//!
//! A gRPC request gets its refusal as `grpc-status` and `grpc-message`. To word bodies yourself, see
//! [`denial_renderer`](AuthenticatorBuilder::denial_renderer).
//!
//! # Recipes
//!
//! ## Your own state, and a handler that needs the authenticator
//!
//! State goes into a filter beside the key's. The authenticator is state like any other. Clones of it are cheap.
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, Policy, answer_refusals, api_key};
//! use warp::{Filter, Reply};
//!
//! #[derive(Clone)]
//! struct State {
//!     keys: Authenticator,
//!     greeting: String,
//! }
//!
//! fn routes(state: State) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let keys = state.keys.clone();
//!     let state = warp::any().map(move || state.clone());
//!     let greet = warp::path!("greet").and(warp::get()).and(api_key(&keys, Policy::any_key())).and(state).then(greet);
//!     answer_refusals(&keys, greet)
//! }
//!
//! async fn greet(key: ApiKey, state: State) -> String {
//!     format!("{}, {}. {} key is cached.", state.greeting, key.key_id(), state.keys.cached_keys())
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let routes = |keys| routes(State { keys, greeting: "Hello".to_owned() });
//! #     check(routes, "GET /greet", &[("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 Hello, api_key_reader. 1 key is cached.");
//! #     check(routes, "GET /greet", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! # }
//! ```
//!
//! ## A group of routes, and a route for one organization
//!
//! ```
//! use apikey_warp::{Authenticator, Policy, answer_refusals, require};
//! use warp::{Filter, Reply};
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let group = warp::path!("users").map(|| "all users").or(warp::path!("keys").map(|| "all keys"));
//!     let admin = warp::path("admin").and(require(&keys, Policy::all(["admin"]))).and(group);
//!     let acme = warp::path!("acme").and(require(&keys, Policy::organization("org_acme"))).map(|| "for Acme");
//!     answer_refusals(&keys, admin.or(acme))
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     check(routes, "GET /admin/users", &[("authorization", "Bearer k_admin")], "200 text/plain; charset=utf-8 all users");
//! #     check(routes, "GET /admin/keys", &[("authorization", "Bearer k_reader")], "403 application/json {\"error\":\"Insufficient scope. Required: admin\",\"code\":\"INSUFFICIENT_SCOPE\",\"required_scopes\":[\"admin\"],\"available_scopes\":[\"read:users\"]}");
//! #     check(routes, "GET /admin/other", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! #     check(routes, "GET /acme", &[("authorization", "Bearer k_acme")], "200 text/plain; charset=utf-8 for Acme");
//! #     check(routes, "GET /acme", &[("authorization", "Bearer k_globex")], "403 application/json {\"error\":\"API key belongs to another organization\",\"code\":\"ORGANIZATION_MISMATCH\"}");
//! # }
//! ```
//!
//! ## A fallback
//!
//! Put it outside of [`answer_refusals`]. Inside, it would answer refused requests, because a rejection lets the next
//! branch try. `warp::any()` does not compile there, but `warp::get()` does.
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, Policy, answer_refusals, api_key};
//! use warp::{Filter, Reply};
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = std::convert::Infallible> + Clone {
//!     let me = warp::path!("me").and(api_key(&keys, Policy::any_key())).map(|key: ApiKey| key.key_id().to_owned());
//!     answer_refusals(&keys, me).or(warp::any().map(|| "some other page"))
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     check(routes, "GET /me", &[("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 api_key_reader");
//! #     check(routes, "GET /me", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! #     check(routes, "GET /other", &[], "200 text/plain; charset=utf-8 some other page");
//! # }
//! ```
//!
//! ## An organization in the path
//!
//! The reply of a handler may be a `Result<_, Denied>`. A [`Denied`] answers as the filters do.
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, Denied, Policy, answer_refusals, api_key};
//! use warp::{Filter, Reply};
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let again = keys.clone();
//!     let tickets = warp::path!("organizations" / String / "tickets").and(api_key(&keys, Policy::any_key()));
//!     let tickets = tickets.map(move |organization: String, key: ApiKey| -> Result<String, Denied> {
//!         again.authorize(&key, &Policy::organization(organization.clone()))?; // 403 ORGANIZATION_MISMATCH
//!         Ok(format!("tickets of {organization}"))
//!     });
//!     answer_refusals(&keys, tickets)
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let path = "GET /organizations/org_acme/tickets";
//! #     check(routes, path, &[("authorization", "Bearer k_acme")], "200 text/plain; charset=utf-8 tickets of org_acme");
//! #     check(routes, path, &[("authorization", "Bearer k_globex")], "403 application/json {\"error\":\"API key belongs to another organization\",\"code\":\"ORGANIZATION_MISMATCH\"}");
//! #     check(routes, path, &[("authorization", "Bearer k_reader")], "403 application/json {\"error\":\"An organization API key is required\",\"code\":\"ORGANIZATION_KEY_REQUIRED\"}");
//! # }
//! ```
//!
//! ## An optional key, and an error body of your own
//!
//! [`MaybeApiKey`] lets a request without a key pass. One function words the bodies of all refusals. Status and headers
//! stay:
//!
//! ```
//! use apikey_warp::{Audience, Authenticator, AuthenticatorBuilder, ConfigError, Denial, DenialBody, MaybeApiKey};
//! use apikey_warp::{answer_refusals, optional_api_key};
//! use warp::{Filter, Reply};
//!
//! fn page(denial: &Denial, audience: &Audience) -> DenialBody {
//!     if audience.accept().is_some_and(|accept| accept.contains("text/html")) {
//!         DenialBody::new("text/html; charset=utf-8", format!("<h1>{}</h1>", denial.code()))
//!     } else {
//!         denial.default_body()
//!     }
//! }
//!
//! fn keys(builder: AuthenticatorBuilder) -> Result<Authenticator, ConfigError> {
//!     builder.denial_renderer(page).build()
//! }
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let greet = warp::path!("greet").and(warp::get()).and(optional_api_key(&keys));
//!     let greet = greet.map(|key: MaybeApiKey| if key.key().is_some() { "hello again" } else { "hello" });
//!     answer_refusals(&keys, greet)
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let routes = |_| routes(keys(Authenticator::builder(fake())).unwrap());
//! #     let html = ("accept", "text/html,*/*");
//! #     check(routes, "GET /greet", &[html], "200 text/plain; charset=utf-8 hello");
//! #     check(routes, "GET /greet", &[("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 hello again");
//! #     check(routes, "GET /greet", &[("authorization", "Bearer bad"), html], "401 text/html; charset=utf-8 <h1>INVALID_KEY</h1>");
//! #     check(routes, "GET /greet", &[("authorization", "Bearer bad")], "401 application/json {\"error\":\"Invalid API key\",\"code\":\"INVALID_KEY\"}");
//! # }
//! ```
//!
//! ## Who called
//!
//! Each decision records `apikey.outcome`, `apikey.code` and `apikey.key_id` in the current span, if the span declares
//! them. `warp::trace` logs a line when a request comes and a line when it is answered. With this span, the second line
//! names the key:
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, Policy, answer_refusals, api_key};
//! use tracing::field::Empty;
//! use warp::{Filter, Reply};
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let me = warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key()));
//!     let me = me.map(|key: ApiKey| key.key_id().to_owned());
//!     answer_refusals(&keys, me).with(warp::trace(|request: warp::trace::Info<'_>| {
//!         let path = request.path(); // without the query, which may hold a key
//!         tracing::info_span!("request", path, apikey.outcome = Empty, apikey.code = Empty, apikey.key_id = Empty)
//!     }))
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let log = logged(|| {
//! #         check(routes, "GET /me", &[("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 api_key_reader");
//! #         check(routes, "GET /me", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! #     });
//! #     let [accepted, denied] = log.lines().filter(|line| line.contains("status=")).collect::<Vec<_>>()[..] else { panic!("{log}") };
//! #     assert!(accepted.contains("apikey.outcome=\"accepted\" apikey.key_id=\"api_key_reader\"}: "), "{log}");
//! #     assert!(denied.contains("apikey.outcome=\"denied\" apikey.code=\"MISSING_KEY\"}: "), "{log}");
//! # }
//! ```
//!
//! ## Two Kinde businesses in one program
//!
//! Build an authenticator for each, and give each branch its own. Each has its own cache and limits. Put different paths
//! before the key filters. Otherwise a key that one business refuses is tried in the other one's branch.
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, Policy, answer_refusals, api_key};
//! use warp::{Filter, Rejection, Reply};
//!
//! fn routes(customers: Authenticator, partners: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
//!     let for_customers = warp::path!("customers" / "me").and(api_key(&customers, Policy::any_key()));
//!     let for_partners = warp::path!("partners" / "me").and(api_key(&partners, Policy::any_key()));
//!     let routes = for_customers.or(for_partners).unify().map(|key: ApiKey| key.key_id().to_owned());
//!     answer_refusals(&customers, routes) // for both
//! }
//! # use apikey_testkit::FakeVerifier;
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let fake = FakeVerifier::new().with_key("k_partner", apikey_warp::Verification::active("api_key_partner"));
//! #     let both = |customers| routes(customers, Authenticator::builder(fake.clone()).build().unwrap());
//! #     let refused = "401 application/json {\"error\":\"Invalid API key\",\"code\":\"INVALID_KEY\"}";
//! #     let (reader, partner) = (("authorization", "Bearer k_reader"), ("authorization", "Bearer k_partner"));
//! #     check(both, "GET /customers/me", &[reader], "200 text/plain; charset=utf-8 api_key_reader");
//! #     check(both, "GET /customers/me", &[partner], refused);
//! #     check(both, "GET /partners/me", &[partner], "200 text/plain; charset=utf-8 api_key_partner");
//! #     check(both, "GET /partners/me", &[reader], refused);
//! # }
//! ```
//!
//! ## Revoke a key
//!
//! Revoke the key in Kinde. A process that has cached the key still lets it in until the cached answer expires: after
//! five minutes, unless [`cache_time_to_live`](AuthenticatorBuilder::cache_time_to_live) says otherwise. To end that at
//! once, tell each process to forget the key. `remove_user`, `remove_organization` and `clear` forget more.
//!
//! ```
//! use apikey_warp::{Authenticator, Policy, answer_refusals, require};
//! use warp::http::StatusCode;
//! use warp::{Filter, Reply};
//!
//! /// `DELETE /keys/<id>`: call it when Kinde has revoked the key with this id.
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let cache = keys.clone();
//!     let path = warp::path!("keys" / String).and(warp::delete()).and(require(&keys, Policy::all(["admin"])));
//!     answer_refusals(&keys, path.map(move |key_id: String| {
//!         cache.remove_key_id(&key_id); // the next request with that key asks Kinde
//!         StatusCode::NO_CONTENT
//!     }))
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let cached = |keys: Authenticator, key_id| {
//! #         let asks = keys.clone();
//! #         let admin = ("authorization", "Bearer k_admin");
//! #         check(move |_| routes(asks.clone()), key_id, &[admin], "204");
//! #         keys.cached_keys()
//! #     };
//! #     let keys = || Authenticator::builder(fake()).build().unwrap();
//! #     assert_eq!(cached(keys(), "DELETE /keys/api_key_other"), 1);
//! #     assert_eq!(cached(keys(), "DELETE /keys/api_key_admin"), 0);
//! #     check(routes, "DELETE /keys/api_key_1", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! # }
//! ```
//!
//! ## Test a handler without any network
//!
//! A handler by itself takes a key from [`VerifiedKey::assume_verified`]. For routes, put `apikey-testkit` among the
//! dev-dependencies:
//!
//! ```
//! use apikey_testkit::FakeVerifier;
//! use apikey_warp::{ApiKey, Authenticator, Policy, Verification, VerifiedKey, answer_refusals, api_key};
//! use warp::{Filter, Reply};
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     answer_refusals(&keys, warp::path!("me").and(api_key(&keys, Policy::any_key())).then(me))
//! }
//!
//! async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//!
//! #[tokio::main(flavor = "current_thread")] // or `#[tokio::test]`
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let reader = Verification::active("api_key_1");
//!     assert_eq!(me(VerifiedKey::assume_verified(reader.clone()).into()).await, "api_key_1");
//!
//!     let routes = routes(Authenticator::builder(FakeVerifier::new().with_key("k_reader", reader)).build()?);
//!     let request = warp::test::request().path("/me").header("authorization", "Bearer k_reader");
//!     assert_eq!(request.reply(&routes).await.body(), "api_key_1");
//!     assert_eq!(warp::test::request().path("/me").reply(&routes).await.status(), 401);
//!     Ok(())
//! }
//! ```
//!
//! ## A verifier of your own
//!
//! If keys don't come from Kinde, implement [`Verifier`]. The authenticator caches its answers, limits how often one client
//! may cause a call, and bounds the time of each call. If a key was *not* judged, return a [`VerifierError`]: the caller
//! gets a 5xx, and is never told that the key is bad. For a test of what expires, give the builder a [`ManualClock`].
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, Policy, Verification, api_key};
//! use apikey_warp::{Judgement, PresentedKey, Refusal, Verifier, VerifierError, async_trait};
//! use warp::Filter;
//!
//! struct Directory;
//!
//! impl Directory {
//!     /// Asks your own store of keys.
//!     async fn find(&self, key: &str) -> std::io::Result<Option<Verification>> {
//!         Ok((key == "k_own").then(|| Verification::active("api_key_1").with_scopes(["read:users"])))
//!     }
//! }
//!
//! #[async_trait]
//! impl Verifier for Directory {
//!     async fn verify(&self, key: &PresentedKey) -> Result<Judgement, VerifierError> {
//!         let unreachable = |error| VerifierError::outage("the directory can't be reached").with_source(error);
//!         Ok(match self.find(key.expose()).await.map_err(unreachable)? {
//!             Some(key) => Judgement::accepted(key),
//!             None => Judgement::refused(Refusal::Invalid),
//!         })
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let keys = Authenticator::builder(Directory).build()?;
//!     let me = warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key()));
//!     let routes = me.map(|key: ApiKey| key.key_id().to_owned()).recover(apikey_warp::recover);
//!     for (key, status) in [("k_own", 200), ("k_unknown", 401)] {
//!         let request = warp::test::request().path("/me").header("authorization", format!("Bearer {key}"));
//!         assert_eq!(request.reply(&routes).await.status(), status);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! ## CORS
//!
//! Put the CORS wrapper outside of [`answer_refusals`]. There it answers pre-flights before any filter asks for a key, and
//! it adds its headers to refusals, too. It answers the pre-flights of all paths. For one path, put the path before it:
//! `path.and(answer_refusals(&keys, guarded).with(cors))`.
//!
//! ```
//! use apikey_warp::{ApiKey, Authenticator, Policy, answer_refusals, api_key};
//! use warp::{Filter, Reply};
//!
//! fn routes(keys: Authenticator) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let me = warp::path!("me").and(warp::get()).and(api_key(&keys, Policy::any_key()));
//!     let me = me.map(|key: ApiKey| key.key_id().to_owned());
//!     let cors = warp::cors().allow_any_origin().allow_method("GET").allow_header("authorization");
//!     answer_refusals(&keys, me).with(cors)
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let origin = ("origin", "https://app.example");
//! #     let allows = "access-control-allow-origin";
//! #     let preflight = [origin, ("access-control-request-method", "GET"), ("access-control-request-headers", "authorization")];
//! #     assert_eq!(check(routes, "OPTIONS /me", &preflight, "200")[allows], origin.1);
//! #     let refused = check(routes, "GET /me", &[origin], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! #     assert_eq!(refused[allows], origin.1);
//! #     check(routes, "GET /me", &[origin, ("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 api_key_reader");
//! #     let one_path = |keys: Authenticator| {
//! #         let cors = warp::cors().allow_any_origin().allow_method("GET").allow_header("authorization");
//! #         let guarded = warp::get().and(api_key(&keys, Policy::any_key())).map(|_: ApiKey| "you");
//! #         warp::path!("one").and(answer_refusals(&keys, guarded).with(cors)).or(warp::path!("two").map(|| "two"))
//! #     };
//! #     check(one_path, "OPTIONS /one", &preflight, "200");
//! #     check(one_path, "OPTIONS /two", &preflight, "200 text/plain; charset=utf-8 two");
//! #     check(one_path, "GET /one", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! # }
//! ```
//!
//! # Clients' addresses
//!
//! The authenticator limits verification attempts per client ([`attempt_limit`](AuthenticatorBuilder::attempt_limit)).
//! `warp::serve` knows its clients' addresses. A service that hyper serves does not: tell it each connection's address
//! with [`PerRequest::with_peer`]. Otherwise the authenticator limits nobody, and the log says so once. Behind a proxy,
//! set [`trusted_proxies`](AuthenticatorBuilder::trusted_proxies), too: otherwise all callers count as one client, the
//! proxy.
//!
//! # Limits
//!
//! - A function that returns a filter takes the [`Authenticator`] by value, as above, because `impl Filter` would borrow from
//!   a reference and warp serves only what borrows nothing. Clones are cheap.
//! - Filters hand the key on by extraction, because warp lets no filter write to a request. If a service around the routes
//!   needs the key, for example an access log, the route can put it into its response:
//!   `response.extensions_mut().insert(key.into_key())`.
//! - An authenticator with [`remove_credential`](AuthenticatorBuilder::remove_credential) needs [`per_request()`]. Without it,
//!   every request that asks for a key gets a 500, and the log says what to change.
//! - A client that sends its whole body before it reads sees a broken pipe instead of its refusal, if a filter for the body
//!   stands before the key filter, if you use `.recover(recover)` in place of [`answer_refusals`], or if the upload is larger
//!   than [`refused_uploads`](AuthenticatorBuilder::refused_uploads) allows.
//! - Each key filter copies the request's headers, because warp shows a filter all values of a name in no other way. It copies
//!   the query, too, if a key may stand in it.
//! - A route that has accepted a key may still reject, for example because of the body. If a later branch of `.or` then
//!   denies, the client sees that denial. To avoid it, let the branches differ in path or method, or put `.recover` on the
//!   single route.
//! - `HEAD` is a method of its own in warp: `warp::get().or(warp::head()).unify()` answers both.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::string_slice
    )
)]

mod filters;
mod key;
mod memo;
mod per_request;
mod refusals;
mod rejection;
mod request;

pub use apikey_core::PeerAddress;
pub use apikey_core::application::*;
pub use filters::{api_key, optional_api_key, preflight, require, scoped};
pub use key::{ApiKey, MaybeApiKey, Scoped};
pub use per_request::{PerRequest, per_request};
pub use refusals::answer_refusals;
pub use rejection::{Denied, recover};
