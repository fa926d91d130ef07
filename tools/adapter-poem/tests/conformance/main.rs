//! The suite that every adapter passes.

mod handlers;

use adapter_poem::{Authenticator, PeerAddress, Policy};
use apikey_conformance::{Adapter, RunningServer, routes};
use poem::http::HeaderValue;
use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::{Endpoint, EndpointExt as _, Route, RouteMethod, Server, get, post};

struct Poem;

impl Adapter for Poem {
    async fn start(authenticator: apikey_core::Authenticator) -> RunningServer {
        let app = app(&Authenticator::from(authenticator));
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
        let address = *acceptor.local_addr()[0].as_socket_addr().unwrap();
        let server = tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
        RunningServer::new(address, move || server.abort())
    }
}

apikey_conformance::conformance_tests!(Poem);

fn app(keys: &Authenticator) -> impl Endpoint + use<> {
    let any_key = || keys.require(Policy::any_key());
    let mut protected = Route::new()
        .at("/open", get(handlers::open))
        .at("/block", get(handlers::block))
        .at("/me", get(handlers::me))
        .at("/items/:name", get(handlers::me))
        .at("/scoped", get(handlers::scoped))
        .at("/any", get(handlers::any))
        .at("/optional", get(handlers::optional))
        .at("/twice", get(handlers::twice))
        .at("/operations/:name", get(handlers::operation))
        .at("/sure", get(handlers::sure))
        .at("/branches", get(handlers::branches))
        .at("/echo", post(handlers::echo))
        .at("/seen", get(handlers::seen).with(any_key()))
        .at("/layered-twice", get(handlers::twice).with(any_key()))
        .at("/sub-request", get(handlers::sub_request).data(keys.clone()).with(any_key()))
        .at("/preflight", get(handlers::me).options(handlers::options).with(any_key().pass_preflight()));
    for (path, policy) in routes::layered() {
        let route: RouteMethod =
            if path == "/layered" { get(handlers::me).options(handlers::options) } else { get(handlers::me) };
        protected = protected.at(path, route.with(keys.require(policy)));
    }
    let app = Route::new().at("/unwired", get(handlers::me)).nest("/", protected.with(keys.clone()));
    app.before(|mut request| async move {
        let supplied = request.headers().get(routes::PEER_HEADER).map(HeaderValue::as_bytes);
        if let Some(peer) = routes::supplied_peer(supplied) {
            request.extensions_mut().insert(PeerAddress(peer));
        }
        Ok(request)
    })
}
