//! Protect an actix-web API with API keys that [Kinde](https://kinde.com) issues: one value built once, extractors by
//! type, and a middleware by policy.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use apikey_actix::{ApiKey, Authenticator, MaybeApiKey, Policy, Scoped, scopes};
//!
//! scopes! { pub ReadUsers = "read:users"; pub WriteUsers = "write:users"; } // checked at compile time
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     tracing_subscriber::fmt::init(); // without a subscriber nobody sees the log
//!     let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
//!     let app = move || {
//!         App::new()
//!             .app_data(keys.clone()) // one for all workers; your own state goes beside it
//!             .route("/me", web::get().to(me))
//!             .route("/users", web::get().to(list))
//!             .route("/users", web::post().to(create))
//!             .route("/public", web::get().to(public))
//!             .service(web::scope("/admin").wrap(keys.require(Policy::all(["admin"]))).route("", web::get().to(admin)))
//!     };
//!     Ok(HttpServer::new(app).bind(("127.0.0.1", 3000))?.run().await?)
//! }
//!
//! async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//! async fn list(_: Scoped<ReadUsers>) -> &'static str { "users" }
//! async fn create(_: Scoped<(ReadUsers, WriteUsers)>) -> &'static str { "created" }
//! async fn public(key: MaybeApiKey) -> &'static str { if key.key().is_some() { "hello again" } else { "hello" } }
//! async fn admin() -> &'static str { "for administrators" }
//! ```
//!
//! ```toml
//! [dependencies]
//! apikey-actix = { path = "…" } # not on a registry yet
//! actix-web = "4"
//! tracing-subscriber = "0.3" # or another subscriber: the log says what to change
//! ```
//!
//! # Decisions
//!
//! Extractors and middleware decide nothing. The core decides, in the same way for every framework. An extractor that finds
//! no [`Authenticator`] in the app data answers 500, and the log says what to add. It never lets a request in. If there are
//! several authenticators, an extractor asks the one in the nearest `app_data`. So register all of them in the same way,
//! with or without `web::Data`.
//!
//! Middleware and extractors of one authenticator verify a request once, although actix runs the extractors of a handler
//! concurrently.
//!
//! A request that [`require`](Authenticator::require) lets in carries its [`VerifiedKey`] in its extensions. Handlers, later
//! middleware and an access log find it there: `web::ReqData<VerifiedKey>`, or
//! `request.extensions().get::<VerifiedKey>()`.
//!
//! An optional key is [`MaybeApiKey`]. **`Option<ApiKey>` compiles, but it is wrong**: actix turns every refusal into `None`.
//!
//! # What a refusal looks like
//!
//! [`DenialCode`] has the table: status, stable code, message. [`Rejection`] is the response. A middleware refuses with a
//! response and never with an `Err`, so middleware outside of it sees the refusal like any other answer. The response carries
//! the [`Denial`] in its extensions: `response.response().extensions().get::<Denial>()`.
//!
//! A gRPC request gets its refusal as `grpc-status` and `grpc-message`. To word bodies yourself, see
//! [`denial_renderer`](AuthenticatorBuilder::denial_renderer).
//!
//! # OpenAPI
//!
//! With the feature `openapi`, `guarded!` documents a route with what its guard asks. These are automatic: `security`, the refusals and the
//! security schemes, read from the handler's signature, from a middleware that is named in it, and from the [`Authenticator`].
//! These are not: middleware that you add elsewhere, checks inside of a handler, handlers with actix's `#[get(..)]`, and routes that are not
//! registered with `guarded!`. The module `openapi` has an example.
//!
//! # Recipes
//!
#![doc = include_str!("recipes.md")]
//!
//! # Clients' addresses
//!
//! The authenticator limits verification attempts per client ([`attempt_limit`](AuthenticatorBuilder::attempt_limit)).
//! actix knows the address of each TCP connection, so there is nothing to set up. In tests, `TestRequest::peer_addr` stands in
//! for that. If there is no address, the authenticator limits nobody, and the log says so once. Behind a proxy, set
//! [`trusted_proxies`](AuthenticatorBuilder::trusted_proxies), too: otherwise all callers count as one client, the proxy.
//!
//! ## A reverse proxy over a Unix socket
//!
//! A connection over a Unix socket has no address. Trust the word `unix`, and let the proxy name the client in every
//! request. nginx does it with these lines:
//!
//! ```text
//! proxy_pass http://unix:/run/api.sock;
//! proxy_set_header X-Forwarded-For $remote_addr;
//! ```
//!
//! ```ignore-windows
//! use actix_web::{App, HttpServer, web};
//! use apikey_actix::{ApiKey, Authenticator, TrustedProxies, Verifier};
//! use std::path::Path;
//!
//! async fn serve(verifier: impl Verifier, socket: &Path) -> Result<(), Box<dyn std::error::Error>> {
//!     let keys = Authenticator::builder(verifier)
//!         .trusted_proxies(TrustedProxies::parse("unix")?) // TrustedProxies says when that is safe
//!         # .attempt_limit(apikey_actix::AttemptLimit::new(1, std::time::Duration::from_secs(60)))
//!         .build()?;
//!     let app = move || App::new().app_data(keys.clone()).route("/me", web::get().to(me));
//!     HttpServer::new(app).bind_uds(socket)?.run().await?;
//!     Ok(())
//! }
//!
//! async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//! # #[actix_web::main]
//! # async fn main() {
//! #     use apikey_testkit::raw::{Connection, get};
//! #     let socket = std::env::temp_dir().join(format!("apikey-actix-recipe-{}.sock", std::process::id()));
//! #     let path = socket.clone();
//! #     actix_web::rt::spawn(async move { serve(apikey_testkit::FakeVerifier::new(), &path).await.unwrap() });
//! #     for (client, status) in [("192.0.2.1", 401), ("192.0.2.1", 429), ("192.0.2.2", 401)] {
//! #         let stream = loop {
//! #             match tokio::net::UnixStream::connect(&socket).await {
//! #                 Ok(stream) => break stream,
//! #                 Err(_) => tokio::task::yield_now().await,
//! #             }
//! #         };
//! #         let mut proxy = Connection::over(stream);
//! #         let headers = [("Authorization", "Bearer k_live_guess"), ("X-Forwarded-For", client)];
//! #         proxy.send(&get("/me", &headers)).await.unwrap();
//! #         assert_eq!(proxy.read_response(false).await.unwrap().status, status);
//! #     }
//! #     std::fs::remove_file(socket).unwrap();
//! # }
//! ```
//!
//! ## An address that you supply
//!
//! If other code knows the address, it supplies it as a [`PeerAddress`] in the request's extensions, in front of the
//! authenticator. Here programs of the same machine call the server over a Unix socket, without a proxy, and all of them
//! count as one client:
//!
//! ```
//! use actix_web::dev::Service as _;
//! use actix_web::{App, HttpMessage as _, web};
//! use apikey_actix::{ApiKey, Authenticator, PeerAddress};
//! use std::net::{IpAddr, Ipv4Addr};
//!
//! # async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//! # #[actix_web::main]
//! # async fn main() {
//! # let limit = apikey_actix::AttemptLimit::new(1, std::time::Duration::from_secs(60));
//! # let keys: Authenticator = Authenticator::builder(apikey_testkit::FakeVerifier::new()).attempt_limit(limit).build().unwrap();
//! let app = App::new().app_data(keys.clone()).route("/me", web::get().to(me)).wrap_fn(|request, inner| {
//!     request.extensions_mut().insert(PeerAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
//!     inner.call(request)
//! });
//! # let app = actix_web::test::init_service(app).await;
//! # for status in [401, 429] {
//! #     let request = actix_web::test::TestRequest::get().uri("/me").insert_header(("Authorization", "Bearer k_live_guess"));
//! #     assert_eq!(actix_web::test::call_service(&app, request.to_request()).await.status(), status);
//! # }
//! # }
//! ```
//!
//! # Limits
//!
//! - actix runs the extractors of a handler concurrently. It may read the body while the key is being verified, and answer
//!   with an error of the body's extractor before the key is refused. To refuse first, put [`Authenticator::require`] in
//!   front of the handler, or take the body as a `Result`, after the key.
//! - With [`remove_credential`](AuthenticatorBuilder::remove_credential) or
//!   [`web_socket_protocol`](CredentialSource::web_socket_protocol), an extractor needs a middleware in front of it,
//!   because only a middleware can change a request: see [`RemoveCredentials`]. Middleware outside of that one still sees the
//!   credential, such as a `Logger` that prints the query. Prefer header sources. If middleware outside keeps a clone of the
//!   `HttpRequest`, the credential can't be taken out: the answer is 500, and the log says why.
//! - `web::get()` doesn't answer `HEAD`. `web::route().guard(guard::Any(guard::Get()).or(guard::Head()))` does.
//! - If the framing of a body turns out to be broken while the key is being verified, actix closes the connection without an
//!   answer. actix answers `Expect: 100-continue` with `100 Continue` before it asks anybody.
//! - After a refusal, actix itself reads what the client still sends, and drops it, so that a client that sends first gets
//!   the answer. [`refused_uploads`](AuthenticatorBuilder::refused_uploads) changes nothing here. If the length was
//!   announced, actix reads for `HttpServer::client_disconnect_timeout` (1 s by default), and then closes the connection. A
//!   client that sends for longer sees a broken pipe: set a longer time. actix reads a chunked body to its end without any
//!   limit, as after every early answer, such as a 404. Only a proxy in front of the server can limit that.

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

mod authenticator;
mod extract;
mod memo;
mod middleware;
#[cfg(feature = "openapi")]
pub mod openapi;
mod rejection;
mod request;

pub use apikey_core::application::*;
pub use authenticator::Authenticator;
pub use extract::{ApiKey, MaybeApiKey, Scoped};
pub use middleware::{RemoveCredentials, RequireKey};
pub use rejection::{Rejection, UnseenRejection};
