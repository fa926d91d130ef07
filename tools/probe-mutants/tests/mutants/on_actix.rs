//! actix-web.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::ServiceConfig;
use actix_web::{App, FromRequest, HttpRequest, HttpServer};
use apikey_actix::{ApiKey, Rejection};
use apikey_core::{Authenticator, KeyArgument, Policy, Verification, VerifiedKey};
use example_shared::Store;
use probe_mutants::Switches;

use crate::server::{Server, listener};
use crate::{Subject, check};

include!(concat!(env!("OUT_DIR"), "/actix.rs"));

static SWITCHES: Switches = Switches::new();

/// The key argument `T`, which is the guard with this number.
struct Switch<const NUMBER: usize, T>(VerifiedKey, PhantomData<fn() -> T>);

impl<const NUMBER: usize, T> Switch<NUMBER, T> {
    fn of(key: VerifiedKey) -> Self {
        Self(key, PhantomData)
    }
}

impl<const NUMBER: usize, T> Deref for Switch<NUMBER, T> {
    type Target = VerifiedKey;

    fn deref(&self) -> &VerifiedKey {
        &self.0
    }
}

impl<const NUMBER: usize, T: KeyArgument> KeyArgument for Switch<NUMBER, T> {
    const POLICY: &'static Policy = T::POLICY;
    const IS_OPTIONAL: bool = T::IS_OPTIONAL;
}

/// The policy by value with this number.
fn policy(number: usize, policy: Policy) -> Policy {
    SWITCHES.guard(number, &policy).unwrap_or_else(Policy::any_key)
}

fn nobody() -> VerifiedKey {
    VerifiedKey::assume_verified(Verification::active("nobody"))
}

impl<const NUMBER: usize, T: KeyArgument + 'static> FromRequest for Switch<NUMBER, T> {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let Some(policy) = SWITCHES.guard(NUMBER, T::POLICY) else {
            return Box::pin(async { Ok(Self::of(nobody())) });
        };
        let key = ApiKey::from_request(request, payload);
        let keys = request.app_data::<apikey_actix::Authenticator>().unwrap().clone();
        Box::pin(async move {
            let key = key.await?.into_key();
            keys.authorize(&key, &policy)?;
            Ok(Self::of(key))
        })
    }
}

fn serve(configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Server {
    Server::start(move |tell, stopped| {
        actix_web::rt::System::new().block_on(async {
            let app = move || App::new().configure(configure.clone());
            let listener = listener();
            let address = listener.local_addr().unwrap();
            let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
            let handle = server.handle();
            tell.send(address).unwrap();
            tokio::select! {
                ended = server => ended.unwrap(),
                _ = stopped => handle.stop(false).await,
            }
        });
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_finds_every_wrong_guard_on_actix() {
    check(Subject {
        reference: |keys| serve(example_actix::app(keys.into(), Store::new(), None).unwrap()),
        switched: |keys| serve(server::app(keys.into(), Store::new(), None).unwrap()),
        bare: Some(|keys| serve(bare::app(keys.into(), Store::new(), None).unwrap())),
        switches: &SWITCHES,
        handlers: NAMES,
    })
    .await;
}
