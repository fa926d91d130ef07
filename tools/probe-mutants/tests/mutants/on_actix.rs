//! actix-web.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::ServiceConfig;
use actix_web::{App, FromRequest, HttpRequest, HttpServer};
use apikey_actix::{ApiKey, MaybeApiKey, Rejection};
use apikey_core::{Authenticator, KeyArgument};
use example_shared::Store;
use probe_mutants::Switches;

use crate::server::{Server, listener};
use crate::switch::Switch;
use crate::{Subject, check};

include!(concat!(env!("OUT_DIR"), "/actix.rs"));

static SWITCHES: Switches = Switches::new();

impl<const NUMBER: usize, T: KeyArgument + 'static> FromRequest for Switch<NUMBER, T> {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let Some(guard) = Self::guard(&SWITCHES) else {
            return Box::pin(async { Ok(Self::of_nobody()) });
        };
        if guard.is_optional {
            let key = MaybeApiKey::from_request(request, payload);
            return Box::pin(async move { Ok(Self::of(key.await?.into_key())) });
        }
        let key = ApiKey::from_request(request, payload);
        let keys = request.app_data::<apikey_actix::Authenticator>().unwrap().clone();
        Box::pin(async move {
            let key = key.await?.into_key();
            keys.authorize(&key, &guard.policy)?;
            Ok(Self::of(Some(key)))
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
