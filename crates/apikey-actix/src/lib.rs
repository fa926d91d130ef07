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
//! several authenticators, an extractor asks the one in the nearest `app_data`.
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
//! response and never with an `Err`, so middleware outside of it sees the refusal like any other answer.
//!
//! # Recipes
//!
//! ## Your own state
//!
//! Put the authenticator into `app_data` as it is, *not* wrapped in `web::Data`. Your own state goes beside it.
//!
//! ```
//! # use actix_web::{App, web};
//! # use apikey_actix::{ApiKey, Authenticator};
//! struct Users(Vec<String>);
//!
//! async fn list(users: web::Data<Users>, key: ApiKey) -> String {
//!     users.0.join(", ")
//! }
//!
//! # fn app(keys: Authenticator) {
//! let users = web::Data::new(Users(vec!["Ada".to_owned()]));
//! let app = App::new().app_data(keys.clone()).app_data(users.clone()).route("/users", web::get().to(list));
//! # }
//! ```
//!
//! ## A group of routes, and a route for one organization
//!
//! ```
//! # use actix_web::{App, web};
//! # use apikey_actix::{Authenticator, OrganizationKey, Policy, Scoped};
//! # async fn report() -> &'static str { "" }
//! // For a key of any organization: the handler uses that organization's data only.
//! async fn tickets(key: Scoped<OrganizationKey>) -> String {
//!     format!("tickets of {}", key.organization_code().unwrap_or_default())
//! }
//!
//! # fn app(keys: Authenticator) {
//! let admin = web::scope("/admin")
//!     .wrap(keys.require(Policy::any(["admin", "read:reports"])))
//!     .route("/report", web::get().to(report));
//! let one_path = web::resource("/report").wrap(keys.require(Policy::scope("admin"))).route(web::get().to(report));
//! let one_method = web::resource("/own").route(web::get().to(report).wrap(keys.require(Policy::any_key())));
//! let acme = web::resource("/acme").wrap(keys.require(Policy::organization("org_acme"))).to(report);
//! let app = App::new()
//!     .app_data(keys.clone())
//!     .service(admin)
//!     .service(one_path)
//!     .service(one_method)
//!     .service(acme)
//!     .route("/tickets", web::get().to(tickets));
//! # }
//! ```
//!
//! On a scope, `require` protects unknown paths below the prefix, too: see [`RequireKey`].
//!
//! ## An optional key, and an error body of your own
//!
//! ```
//! # use actix_web::HttpResponse;
//! # use apikey_actix::{ApiKey, MaybeApiKey, Rejection};
//! async fn prices(key: MaybeApiKey) -> &'static str {
//!     match key.key() {
//!         Some(key) if key.has_scope("partner") => "partner prices",
//!         _ => "list prices",
//!     }
//! }
//!
//! async fn me(key: Result<ApiKey, Rejection>) -> Result<HttpResponse, Rejection> {
//!     match key {
//!         Ok(key) => Ok(HttpResponse::Ok().body(key.key_id().to_owned())),
//!         Err(rejection) if rejection.denial().status() == 401 => {
//!             Ok(HttpResponse::Unauthorized().body("Who are you?"))
//!         }
//!         Err(rejection) => Err(rejection), // the usual answer
//!     }
//! }
//! ```
//!
//! To do it for all routes at once, write a middleware and wrap it last. It finds the [`Rejection`] with
//! `response.response().error().and_then(|error| error.as_error::<Rejection>())`.
//!
//! ## Revoke a key
//!
//! Revoke the key in Kinde. A process that has cached the key still lets it in until the cached answer expires: after five
//! minutes, unless [`cache_time_to_live`](AuthenticatorBuilder::cache_time_to_live) says otherwise. To end that at once, tell
//! each process to forget the key. `remove_user`, `remove_organization` and `clear` forget more.
//!
//! ```
//! # use actix_web::{HttpRequest, HttpResponse, web};
//! # use apikey_actix::{Authenticator, Scoped, scopes};
//! scopes! { Admin = "admin"; }
//!
//! async fn forget(_: Scoped<Admin>, key_id: web::Path<String>, request: HttpRequest) -> HttpResponse {
//!     if let Some(keys) = request.app_data::<Authenticator>() {
//!         keys.remove_key_id(&key_id);
//!     }
//!     HttpResponse::NoContent().finish()
//! }
//! ```
//!
//! ## Test a handler without any network
//!
//! A handler by itself takes a key from [`VerifiedKey::assume_verified`]. For routes, put `apikey-testkit` among the
//! dev-dependencies:
//!
//! ```
//! use actix_web::{App, test, web};
//! use apikey_actix::{ApiKey, Authenticator, Verification, VerifiedKey};
//! use apikey_testkit::FakeVerifier;
//!
//! async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//!
//! #[actix_web::main] // or `#[actix_web::test]`
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // The whole way of a request:
//!     let fake = FakeVerifier::new().with_key("k_live_reader", Verification::active("api_key_1"));
//!     let keys = Authenticator::builder(fake).build()?;
//!     let app = test::init_service(App::new().app_data(keys).route("/me", web::get().to(me))).await;
//!
//!     let request = test::TestRequest::get().uri("/me").insert_header(("Authorization", "Bearer k_live_reader"));
//!     assert_eq!(test::call_and_read_body(&app, request.to_request()).await, "api_key_1");
//!     let anonymous = test::TestRequest::get().uri("/me").to_request();
//!     assert_eq!(test::call_service(&app, anonymous).await.status(), 401);
//!
//!     // The handler alone:
//!     let key = VerifiedKey::assume_verified(Verification::active("api_key_1"));
//!     assert_eq!(me(key.into()).await, "api_key_1");
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
//! use actix_web::{App, test, web};
//! use apikey_actix::{ApiKey, Authenticator, Verification};
//! use apikey_actix::{Judgement, PresentedKey, Refusal, Verifier, VerifierError, async_trait};
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
//! async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let keys = Authenticator::builder(Directory).build()?;
//!     let app = test::init_service(App::new().app_data(keys).route("/me", web::get().to(me))).await;
//!     for (key, status) in [("k_own", 200), ("k_unknown", 401)] {
//!         let request = test::TestRequest::get().uri("/me").insert_header(("Authorization", format!("Bearer {key}")));
//!         assert_eq!(test::call_service(&app, request.to_request()).await.status(), status);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! ## CORS
//!
//! Browsers send pre-flights without credentials, so the CORS middleware stands outside: wrap it last. There `actix-cors`
//! answers pre-flights itself, and puts its headers on refusals. If it must stand inside, see
//! [`RequireKey::pass_preflight`].
//!
//! ```
//! # use actix_web::{App, web};
//! # use apikey_actix::{Authenticator, Policy};
//! # async fn data() -> &'static str { "" }
//! # fn app(keys: Authenticator) {
//! let cors = actix_cors::Cors::default().allowed_origin("https://app.example").allowed_header("authorization");
//! let app = App::new()
//!     .service(web::resource("/data").wrap(keys.require(Policy::any_key())).route(web::get().to(data)))
//!     .wrap(cors);
//! # }
//! ```
//!
//! # Clients' addresses
//!
//! The authenticator limits verification attempts per client ([`attempt_limit`](AuthenticatorBuilder::attempt_limit)).
//! actix tells the address of each connection, so there is nothing to set up. Behind a proxy, set
//! [`trusted_proxies`](AuthenticatorBuilder::trusted_proxies), too: otherwise all callers count as one client, the
//! proxy. Over a Unix socket a connection has no address: the authenticator limits nobody, and the log says so once.
//!
//! # Limits
//!
//! - actix runs the extractors of a handler concurrently. It may read the body while the key is being verified, and answer
//!   with an error of the body's extractor before the key is refused. To refuse first, put [`Authenticator::require`] in
//!   front of the handler, or take the body as a `Result`, after the key.
//! - With [`remove_credential`](AuthenticatorBuilder::remove_credential), an extractor needs a middleware in front of it,
//!   because only a middleware can change a request: see [`RemoveCredentials`]. Middleware outside of that one still sees the
//!   credential, such as a `Logger` that prints the query. Prefer header sources. If middleware outside keeps a clone of the
//!   `HttpRequest`, the credential can't be taken out: the answer is 500, and the log says why.
//! - `web::get()` doesn't answer `HEAD`. `web::route().guard(guard::Any(guard::Get()).or(guard::Head()))` does.
//! - If the framing of a body turns out to be broken while the key is being verified, actix closes the connection without an
//!   answer. After a refusal, actix reads what the client still sends of its body, and throws it away. A proxy in front of
//!   the server can limit that.

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
mod rejection;
mod request;

pub use apikey_core::PeerAddress;
pub use apikey_core::application::*;
pub use authenticator::Authenticator;
pub use extract::{ApiKey, MaybeApiKey, Scoped};
pub use middleware::{RemoveCredentials, RequireKey};
pub use rejection::{Rejection, UnseenRejection};
