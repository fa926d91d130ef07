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
//! tracing-subscriber = "0.3" # or another subscriber: the log names what to mend
//! ```
//!
//! # Decisions
//!
//! Extractors and middleware decide nothing: the core does, the same for every framework. An extractor without an
//! [`Authenticator`] in the app data answers 500 and logs what to add; it never lets anybody in. Middleware and extractors
//! of one authenticator on one request verify once, also where the extractors of a handler run concurrently. With several
//! authenticators, an extractor asks the one in the nearest `app_data`.
//!
//! An optional key is [`MaybeApiKey`]. **`Option<ApiKey>` compiles, and is wrong**: actix makes `None` of every refusal.
//!
//! # What a refusal looks like
//!
//! [`DenialCode`] has the table: status, stable code, message. [`Rejection`] is the response. A middleware refuses with a
//! response, never with an `Err`, so middleware outside of it sees the refusal like every other answer.
//!
//! # Recipes
//!
//! ## Your own state
//!
//! The authenticator goes into `app_data` as it is, *not* wrapped in `web::Data`; your own state stands beside it.
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
//! ## A group of routes
//!
//! ```
//! # use actix_web::{App, web};
//! # use apikey_actix::{Authenticator, Policy};
//! # async fn report() -> &'static str { "" }
//! # fn app(keys: Authenticator) {
//! let admin = web::scope("/admin")
//!     .wrap(keys.require(Policy::any(["admin", "read:reports"])))
//!     .route("/report", web::get().to(report));
//! let one_path = web::resource("/report").wrap(keys.require(Policy::scope("admin"))).route(web::get().to(report));
//! let one_method = web::resource("/own").route(web::get().to(report).wrap(keys.require(Policy::any_key())));
//! let app = App::new().service(admin).service(one_path).service(one_method);
//! # }
//! ```
//!
//! On a scope it protects unknown paths below the prefix, too: see [`RequireKey`].
//!
//! ## An optional key
//!
//! ```
//! # use apikey_actix::MaybeApiKey;
//! async fn prices(key: MaybeApiKey) -> &'static str {
//!     match key.key() {
//!         Some(key) if key.has_scope("partner") => "partner prices",
//!         _ => "list prices",
//!     }
//! }
//! ```
//!
//! ## A route for one organization
//!
//! ```
//! # use actix_web::{App, HttpResponse, web};
//! # use apikey_actix::{Authenticator, OrganizationKey, Policy, Scoped};
//! // Whichever organization it is, the handler works on its data only.
//! async fn tickets(key: Scoped<OrganizationKey>) -> String {
//!     format!("tickets of {}", key.organization_code().unwrap_or_default())
//! }
//!
//! # async fn acme() -> &'static str { "" }
//! # fn app(keys: Authenticator) {
//! let app = App::new()
//!     .app_data(keys.clone())
//!     .route("/tickets", web::get().to(tickets))
//!     .service(web::scope("/acme").wrap(keys.require(Policy::organization("org_acme"))).route("", web::get().to(acme)));
//! # }
//! ```
//!
//! ## An error body of your own
//!
//! ```
//! # use actix_web::HttpResponse;
//! # use apikey_actix::{ApiKey, Rejection};
//! async fn me(key: Result<ApiKey, Rejection>) -> Result<HttpResponse, Rejection> {
//!     match key {
//!         Ok(key) => Ok(HttpResponse::Ok().body(key.key_id().to_owned())),
//!         Err(rejection) if rejection.denial().status() == 401 => {
//!             Ok(HttpResponse::Unauthorized().body("Who are you?"))
//!         }
//!         Err(rejection) => Err(rejection), // as it would have been
//!     }
//! }
//! ```
//!
//! For all routes at once, a middleware outside finds the [`Rejection`] by
//! `response.response().error().and_then(|error| error.as_error::<Rejection>())`.
//!
//! ## Testing a handler
//!
//! ```
//! use actix_web::{App, http::StatusCode, test, web};
//! use apikey_actix::{ApiKey, Authenticator, Verification};
//! use apikey_testkit::FakeVerifier;
//!
//! async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//!
//! # async fn example() -> Result<(), apikey_actix::ConfigError> {
//! let verifier = FakeVerifier::new().with_key("k_test", Verification::active("api_key_1"));
//! let keys = Authenticator::builder(verifier).build()?;
//! let app = test::init_service(App::new().app_data(keys).route("/me", web::get().to(me))).await;
//!
//! let request = test::TestRequest::get().uri("/me").insert_header(("Authorization", "Bearer k_test"));
//! let body = test::call_and_read_body(&app, request.to_request()).await;
//! assert_eq!(body, "api_key_1");
//!
//! let response = test::call_service(&app, test::TestRequest::get().uri("/me").to_request()).await;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! # Ok(()) }
//! # actix_web::rt::System::new().block_on(example()).unwrap();
//! ```
//!
//! ## CORS
//!
//! What is wrapped last stands outside. There `actix-cors` answers pre-flights itself, and puts its headers on refusals:
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
//! Where it has to stand inside, see [`RequireKey::pass_preflight`].
//!
//! ## Handlers that must not see the credential
//!
//! Set [`remove_credential`](AuthenticatorBuilder::remove_credential), and wrap the app with
//! [`Authenticator::remove_credentials`]: [`RemoveCredentials`] has the example.
//!
//! # Limits
//!
//! - actix runs the extractors of a handler concurrently. A body may be read while the key is verified, and an error of
//!   the body's extractor may be answered before the key is refused. [`Authenticator::require`] in front of the handler
//!   refuses first; or take the body as a `Result`, after the key.
//! - A key is verified on the runtime of the worker that saw it first, for the requests of all workers. A handler that
//!   blocks its worker delays it for all of them: use `web::block`.
//! - `web::get()` doesn't answer `HEAD`; `web::route().guard(guard::Any(guard::Get()).or(guard::Head()))` does.
//! - Credentials that are removed are removed for what stands inside. Middleware outside, such as a `Logger` that prints
//!   the query, still sees them; prefer header sources. A middleware outside that keeps a clone of the `HttpRequest`
//!   makes removal impossible: such a request is answered with 500, and the log says why.
//! - actix closes the connection without an answer where the framing of a body turns out broken while the key is being
//!   verified; and after a refusal it reads, and throws away, what the client still sends of its body. What stands in
//!   front of the server can bound that.

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

pub use apikey_core::application::*;
pub use authenticator::Authenticator;
pub use extract::{ApiKey, MaybeApiKey, Scoped};
pub use middleware::{RemoveCredentials, RequireKey};
pub use rejection::{Rejection, UnseenRejection};
