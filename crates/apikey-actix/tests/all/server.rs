//! Starts real servers on loopback sockets.

use std::net::TcpListener;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error, HttpServer, rt::System};
use apikey_conformance::RunningServer;

pub(crate) const WORKERS: usize = 2;

/// Serves on a thread of its own, since actix wants its own runtime.
pub(crate) fn start<T, B>(app: impl Fn() -> App<T> + Clone + Send + 'static) -> RunningServer
where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    // Bound here: connections are accepted from now on, by the backlog at first.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        System::new().block_on(async move {
            let server =
                HttpServer::new(app).workers(WORKERS).disable_signals().listen(listener).unwrap().run();
            sender.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    let handle = receiver.recv().unwrap();
    // The command is sent at once; its end need not be waited for.
    RunningServer::new(address, move || drop(handle.stop(false)))
}
