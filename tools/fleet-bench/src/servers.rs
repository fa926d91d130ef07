//! The reference servers, in threads of this process.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use actix_web::{App, HttpServer};
use apikey_core::Authenticator;
use example_shared::Store;
use rocket::Config;
use rocket::config::{LogLevel, Shutdown};
use rocket::fairing::AdHoc;
use tokio::sync::oneshot;

/// What a server tells once it listens.
type Address = mpsc::Sender<SocketAddr>;

/// The frameworks of three instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framework {
    /// axum
    Axum,
    /// actix-web
    Actix,
    /// Rocket
    Rocket,
}

impl Framework {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Axum, Self::Actix, Self::Rocket];
}

/// A reference server on a free loopback port. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one, and waits until it listens.
    ///
    /// # Errors
    /// If it does not start, in words.
    pub fn start(framework: Framework, keys: Authenticator) -> Result<Self, String> {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let ended = match framework {
                Framework::Axum => axum(keys, &tell, stopped),
                Framework::Actix => actix(keys, &tell, stopped),
                Framework::Rocket => rocket(keys, tell, stopped),
            };
            if let Err(error) = ended {
                eprintln!("the server on {framework:?} has ended: {error}");
            }
        });
        let address = told.recv().map_err(|_| format!("the server on {framework:?} does not start"))?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // An error means that it panicked, and it has said so.
            let _ = thread.join();
        }
    }
}

fn axum(keys: Authenticator, tell: &Address, stopped: oneshot::Receiver<()>) -> Result<(), String> {
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener()?).map_err(text)?;
        let address = listener.local_addr().map_err(text)?;
        let app = example_axum::app(keys.into(), Store::new(), None).map_err(text)?;
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let _ = tell.send(address);
        tokio::select! {
            ended = axum::serve(listener, app) => ended.map_err(text),
            _ = stopped => Ok(()),
        }
    })
}

fn actix(keys: Authenticator, tell: &Address, stopped: oneshot::Receiver<()>) -> Result<(), String> {
    actix_web::rt::System::new().block_on(async {
        let api = example_actix::app(keys.into(), Store::new(), None).map_err(text)?;
        let app = move || App::new().configure(api.clone());
        let listener = listener()?;
        let address = listener.local_addr().map_err(text)?;
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).map_err(text)?.run();
        let handle = server.handle();
        let _ = tell.send(address);
        tokio::select! {
            ended = server => ended.map_err(text),
            _ = stopped => {
                handle.stop(false).await;
                Ok(())
            }
        }
    })
}

fn rocket(keys: Authenticator, tell: Address, stopped: oneshot::Receiver<()>) -> Result<(), String> {
    runtime()?.block_on(async {
        let shutdown = Shutdown { ctrlc: false, signals: HashSet::new(), ..Shutdown::default() };
        let config =
            Config { port: 0, workers: 1, log_level: LogLevel::Off, shutdown, ..Config::release_default() };
        let app = example_rocket::app(rocket::custom(config), keys, Store::new(), None).map_err(text)?;
        let app = app.attach(AdHoc::on_liftoff("address", move |rocket| {
            Box::pin(async move {
                let _ = tell.send((rocket.config().address, rocket.config().port).into());
            })
        }));
        tokio::select! {
            ended = app.launch() => ended.map(drop).map_err(text),
            _ = stopped => Ok(()),
        }
    })
}

fn listener() -> Result<TcpListener, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
    listener.set_nonblocking(true).map_err(text)?;
    Ok(listener)
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
