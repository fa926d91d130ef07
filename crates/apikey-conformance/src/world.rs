//! The start of every case: an emulator with keys, and a server under test in front of it.

use std::net::{IpAddr, SocketAddr};
use std::{sync::Arc, time::Duration};

use apikey_core::{
    Authenticator, AuthenticatorBuilder, KindeSettings, KindeVerifier, MachineToMachine, ManualClock,
};

use apikey_testkit::emulator::{DEFAULT_API_ID, Emulator, KeySpecification};

use super::{
    adapter::{Differences, RunningServer, Subject},
    client::{Answer, Request, Running, Session, get},
    key::Key,
    secrets::Secrets,
};

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) authenticator: Authenticator,
    pub(crate) differences: Differences,
    server: RunningServer,
    /// `read:users`.
    pub(crate) reader: Key,
    /// `read:users`, `write:users`.
    pub(crate) writer: Key,
    /// `admin`.
    pub(crate) admin: Key,
    /// No scopes, and no owner.
    pub(crate) unscoped: Key,
    /// Owned by `org_acme`, with `read:tickets`.
    pub(crate) acme: Key,
    /// Owned by `org_acme`, without scopes.
    pub(crate) acme_unscoped: Key,
    /// Owned by `org_globex`, with `read:tickets`.
    pub(crate) globex: Key,
    /// Owned by a user, with `read:users`.
    pub(crate) user: Key,
    /// Owned by `org_acme` and a user, with `read:tickets`.
    pub(crate) both_owners: Key,
    pub(crate) inactive: Key,
    pub(crate) revoked: Key,
}

impl World {
    /// Default settings, but without what protects Kinde in an outage or a flood.
    pub(crate) async fn new(subject: Subject) -> Self {
        Self::with(subject, |builder| builder).await
    }

    /// Without a cache: every request is verified.
    pub(crate) async fn uncached(subject: Subject) -> Self {
        Self::with(subject, |builder| builder.cache_time_to_live(Duration::ZERO)).await
    }

    pub(crate) async fn with(
        subject: Subject,
        configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
    ) -> Self {
        Self::started(subject, |builder| configure(bare(builder))).await
    }

    /// The same with a clock that the case moves. The service's tokens age by it, too.
    pub(crate) async fn timed(
        subject: Subject,
        clock: &Arc<ManualClock>,
        configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
    ) -> Self {
        let clock = Arc::clone(clock);
        Self::started(subject, |builder| configure(bare(builder).clock(clock))).await
    }

    /// Default settings.
    pub(crate) async fn protected(
        subject: Subject,
        configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
    ) -> Self {
        Self::started(subject, configure).await
    }

    /// A server that takes only keys of the API that the emulator's keys are for unless a case says otherwise.
    pub(crate) async fn bound(
        subject: Subject,
        clock: &Arc<ManualClock>,
        configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
    ) -> Self {
        let clock = Arc::clone(clock);
        let configure = |builder| configure(bare(builder).clock(clock));
        Self::started_with(subject, |settings| settings.api_id(DEFAULT_API_ID), configure).await
    }

    async fn started(
        subject: Subject,
        configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
    ) -> Self {
        Self::started_with(subject, |settings| settings, configure).await
    }

    async fn started_with(
        subject: Subject,
        settings: impl FnOnce(KindeSettings) -> KindeSettings,
        configure: impl FnOnce(AuthenticatorBuilder) -> AuthenticatorBuilder,
    ) -> Self {
        let emulator = Emulator::start().await.expect("the emulator starts");
        let credentials = MachineToMachine::new(emulator.client_id(), emulator.client_secret());
        let of_emulator =
            KindeSettings::new(emulator.url()).machine_to_machine(credentials).audience(emulator.audience());
        let verifier = KindeVerifier::new(settings(of_emulator)).expect("the emulator's settings are good");
        let builder = configure(Authenticator::builder(verifier));
        let authenticator = builder.build().expect("the case's settings are good");
        let server = subject.start(authenticator.clone()).await;
        let key = |name: &str| KeySpecification::new(name);
        World {
            reader: Key::create(&emulator, key("reader").scopes(["read:users"])),
            writer: Key::create(&emulator, key("writer").scopes(["read:users", "write:users"])),
            admin: Key::create(&emulator, key("admin").scopes(["admin"])),
            unscoped: Key::create(&emulator, key("unscoped")),
            acme: Key::create(&emulator, key("acme").organization("org_acme").scopes(["read:tickets"])),
            acme_unscoped: Key::create(&emulator, key("acme_unscoped").organization("org_acme")),
            globex: Key::create(&emulator, key("globex").organization("org_globex").scopes(["read:tickets"])),
            user: Key::create(&emulator, key("user").user("kp_user").scopes(["read:users"])),
            both_owners: Key::create(
                &emulator,
                key("both_owners").organization("org_acme").user("kp_user").scopes(["read:tickets"]),
            ),
            inactive: Key::create(&emulator, key("inactive").status("inactive")),
            revoked: Key::create(&emulator, key("revoked").status("revoked")),
            differences: subject.differences(),
            authenticator,
            server,
            emulator,
        }
    }

    /// Creates this many more keys with the scope `read:users`.
    pub(crate) fn create_many(&self, name: &str, count: usize) -> Vec<Key> {
        let key = |number| KeySpecification::new(format!("{name}_{number}")).scopes(["read:users"]);
        (0..count).map(|number| self.create(key(number))).collect()
    }

    /// Creates one more key.
    pub(crate) fn create(&self, specification: KeySpecification) -> Key {
        Key::create(&self.emulator, specification)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Sends a request on a new connection.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        self.session().await.send(request).await
    }

    /// `GET` with this key.
    pub(crate) async fn ask(&self, path: &str, key: &Key) -> Answer {
        self.send(get(path).key(key)).await
    }

    pub(crate) async fn session(&self) -> Session<'_> {
        Session::open(self.address(), self.secrets()).await
    }

    /// Opens a connection from this address of the local host.
    pub(crate) async fn session_from(&self, source: IpAddr) -> Session<'_> {
        Session::open_from(source, self.address(), self.secrets()).await
    }

    /// `GET /me` with this key, sent by this client.
    pub(crate) async fn ask_as(&self, client: u8, key: &Key) -> Answer {
        self.start_as(client, get("/me").key(key)).await.answer().await
    }

    /// Sends a request on a new connection, without waiting for the answer. The client is 1, or any other number if
    /// [`SEVERAL_CLIENTS`](super::client::SEVERAL_CLIENTS).
    pub(crate) async fn start_as(&self, client: u8, request: Request) -> Running {
        Running::start(client, self.address(), &self.secrets(), request).await
    }

    /// `GET /me` with each of these keys, each on a new connection, sent by this client.
    pub(crate) async fn start_all_as(&self, client: u8, keys: &[Key]) -> Vec<Running> {
        let mut running = Vec::with_capacity(keys.len());
        for key in keys {
            running.push(self.start_as(client, get("/me").key(key)).await);
        }
        running
    }

    /// How many verify calls with one of these keys Kinde has received since the counters were reset.
    pub(crate) fn calls_for(&self, keys: &[Key]) -> u64 {
        keys.iter().map(|key| self.emulator.verify_calls_for(&key.secret)).sum()
    }

    /// How many verify calls Kinde has received since the last look. Resets the counters.
    pub(crate) fn calls(&self) -> u64 {
        let calls = self.emulator.counters().verify_calls;
        self.emulator.reset_counters();
        calls
    }

    /// How many verify calls, and calls that ask for the APIs of a key, Kinde has received since the last look. Resets the
    /// counters.
    pub(crate) fn calls_of_both_kinds(&self) -> (u64, u64) {
        let counters = self.emulator.counters();
        self.emulator.reset_counters();
        (counters.verify_calls, counters.api_key_calls)
    }

    /// How many verify and token calls Kinde has received since the last look. Resets the counters.
    pub(crate) fn calls_and_tokens(&self) -> (u64, u64) {
        let counters = self.emulator.counters();
        self.emulator.reset_counters();
        (counters.verify_calls, counters.token_calls)
    }

    /// Makes some round trips, so that the server has read what was sent before.
    ///
    /// If it has not, the case is easier to pass, never harder.
    pub(crate) async fn settle(&self) {
        // Several connections, because the server may have several workers.
        let mut sessions = [(); 4].map(|()| None);
        for session in &mut sessions {
            *session = Some(self.session().await);
        }
        for _ in 0..16 {
            for session in sessions.iter_mut().flatten() {
                session.send(get("/open")).await.is_open();
            }
        }
    }

    /// What no denial may reveal.
    pub(crate) fn secrets(&self) -> Secrets<'_> {
        let keys = [
            &self.reader,
            &self.writer,
            &self.admin,
            &self.unscoped,
            &self.acme,
            &self.globex,
            &self.user,
            &self.inactive,
            &self.revoked,
        ];
        Secrets::new(&self.emulator, &keys)
    }
}

/// Cases count calls to the emulator, and send many keys from one address.
fn bare(builder: AuthenticatorBuilder) -> AuthenticatorBuilder {
    builder.refresh_ahead(false).retries(false).circuit_breaker(false).attempt_limit(None)
}
