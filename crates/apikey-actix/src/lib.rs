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
//! # Recipes
//!
//! ## Your own state
//!
//! It goes into `app_data` beside the authenticator, which need not be wrapped in `web::Data`:
//!
//! ```
//! # use actix_web::{App, web};
//! # use apikey_actix::{ApiKey, Authenticator};
//! struct Users(Vec<String>);
//!
//! async fn list(users: web::Data<Users>, key: ApiKey) -> String {
//!     users.0.join(", ")
//! }
//! # include!("../tests/recipes/harness.rs");
//! # #[actix_web::main]
//! # async fn main() {
//! # let keys = keys();
//!
//! let users = web::Data::new(Users(vec!["Ada".to_owned()]));
//! let app = App::new().app_data(keys.clone()).app_data(users.clone()).route("/users", web::get().to(list));
//! # let app = actix_web::test::init_service(app).await;
//! # check(&app, "/users", "k_reader", "200 text/plain; charset=utf-8 Ada").await;
//! # check(&app, "/users", "", MISSING_KEY).await;
//! # }
//! ```
//!
//! ## A group of routes, a route for one organization, and the fallback
//!
//! ```
//! # use actix_web::{App, web};
//! # use apikey_actix::{Authenticator, OrganizationKey, Policy, Scoped};
//! # async fn report() -> &'static str { "report" }
//! # async fn fallback() -> &'static str { "some other page" }
//! // For a key of any organization: the handler uses that organization's data only.
//! async fn tickets(key: Scoped<OrganizationKey>) -> String {
//!     format!("tickets of {}", key.organization_code().unwrap_or_default())
//! }
//! # include!("../tests/recipes/harness.rs");
//! # #[actix_web::main]
//! # async fn main() {
//! # let keys = keys();
//!
//! let admin = web::scope("/admin").wrap(keys.require(Policy::scope("admin"))).route("/report", web::get().to(report));
//! let acme = web::resource("/acme").wrap(keys.require(Policy::organization("org_acme"))).to(report);
//! let one_method = web::resource("/own").route(web::get().to(report).wrap(keys.require(Policy::any_key())));
//! let app = App::new()
//!     .app_data(keys.clone())
//!     .service(admin)
//!     .service(acme)
//!     .service(one_method)
//!     .route("/tickets", web::get().to(tickets))
//!     .default_service(web::to(fallback).wrap(keys.require(Policy::any_key()))); // open without the `wrap`
//! # let app = actix_web::test::init_service(app).await;
//! # check(&app, "/admin/report", "k_admin", "200 text/plain; charset=utf-8 report").await;
//! # for path in ["/admin/report", "/admin/unknown"] { check(&app, path, "k_reader", NO_ADMIN).await; }
//! # check(&app, "/acme", "k_acme", "200 text/plain; charset=utf-8 report").await;
//! # check(&app, "/acme", "k_globex", MISMATCH).await;
//! # check(&app, "/own", "k_reader", "200 text/plain; charset=utf-8 report").await;
//! # check(&app, "/tickets", "k_globex", "200 text/plain; charset=utf-8 tickets of org_globex").await;
//! # check(&app, "/tickets", "k_reader", ORGANIZATION_REQUIRED).await;
//! # check(&app, "/other", "k_reader", "200 text/plain; charset=utf-8 some other page").await;
//! # for path in ["/admin/report", "/acme", "/own", "/tickets", "/other"] { check(&app, path, "", MISSING_KEY).await; }
//! # let open = App::new().service(web::resource("/own").wrap(keys.require(Policy::any_key())).to(report));
//! # let open = actix_web::test::init_service(open.default_service(web::to(fallback))).await;
//! # check(&open, "/other", "", "200 text/plain; charset=utf-8 some other page").await;
//! # }
//! ```
//!
//! On a scope, `require` protects unknown paths below the prefix, too: see [`RequireKey`].
//!
//! ## An organization in the path
//!
//! ```
//! # use actix_web::{App, web};
//! use apikey_actix::{ApiKey, Authenticator, Policy, Rejection};
//!
//! async fn tickets(keys: Authenticator, key: ApiKey, path: web::Path<String>) -> Result<String, Rejection> {
//!     let organization = path.into_inner();
//!     keys.authorize(&key, &Policy::organization(organization.clone()))?; // 403 ORGANIZATION_MISMATCH
//!     Ok(format!("tickets of {organization}"))
//! }
//! # include!("../tests/recipes/harness.rs");
//! # #[actix_web::main]
//! # async fn main() {
//! # let app = App::new().app_data(keys()).route("/organizations/{organization}/tickets", web::get().to(tickets));
//! # let app = actix_web::test::init_service(app).await;
//! # let path = "/organizations/org_acme/tickets";
//! # check(&app, path, "k_acme", "200 text/plain; charset=utf-8 tickets of org_acme").await;
//! # check(&app, path, "k_globex", MISMATCH).await;
//! # check(&app, path, "k_reader", ORGANIZATION_REQUIRED).await;
//! # }
//! ```
//!
//! ## An optional key, and an error body of your own
//!
//! [`MaybeApiKey`] lets a request without a key pass. One function words the bodies of all refusals, those of extractors and
//! those of middleware. Status and headers stay:
//!
//! ```
//! # use actix_web::{App, web};
//! use apikey_actix::{Audience, Authenticator, AuthenticatorBuilder, ConfigError, Denial, DenialBody, MaybeApiKey};
//!
//! async fn prices(key: MaybeApiKey) -> &'static str {
//!     match key.key() {
//!         Some(key) if key.has_scope("admin") => "all prices",
//!         _ => "list prices",
//!     }
//! }
//!
//! fn page(denial: &Denial, audience: &Audience) -> DenialBody {
//!     if audience.accept().is_some_and(|accept| accept.contains("text/html")) {
//!         DenialBody::new("text/html; charset=utf-8", format!("<h1>{}</h1>", denial.code()))
//!     } else {
//!         denial.default_body()
//!     }
//! }
//!
//! fn keys_with_pages(builder: AuthenticatorBuilder<Authenticator>) -> Result<Authenticator, ConfigError> {
//!     builder.denial_renderer(page).build()
//! }
//! # include!("../tests/recipes/harness.rs");
//! # #[actix_web::main]
//! # async fn main() {
//! # let app = App::new().app_data(keys_with_pages(builder()).unwrap()).route("/", web::get().to(prices));
//! # let app = actix_web::test::init_service(app).await;
//! # check(&app, "/", "", "200 text/plain; charset=utf-8 list prices").await;
//! # check(&app, "/", "k_admin", "200 text/plain; charset=utf-8 all prices").await;
//! # check(&app, "/", "bad", INVALID_KEY).await;
//! # let html = request("/", "bad").insert_header(("accept", "text/html,*/*"));
//! # check_request(&app, html, "401 text/html; charset=utf-8 <h1>INVALID_KEY</h1>").await;
//! # }
//! ```
//!
//! ## Who called
//!
//! Each decision records `apikey.outcome`, `apikey.code` and `apikey.key_id` in the current span, if the span declares them.
//! Every line of the request then names its key. `tracing-actix-web` makes such a span by `root_span!`, or you make it yourself:
//!
//! ```
//! # use actix_web::{App, dev::Service as _, web};
//! # use apikey_actix::ApiKey;
//! use tracing::{Instrument as _, field::Empty, info, info_span};
//!
//! # async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//! # include!("../tests/recipes/harness.rs");
//! # #[actix_web::main]
//! # async fn main() {
//! # let keys = keys();
//! let app = App::new().app_data(keys.clone()).route("/me", web::get().to(me)).wrap_fn(|request, inner| {
//!     let path = request.path(); // without the query, which may hold a key
//!     let span = info_span!("request", path, apikey.outcome = Empty, apikey.code = Empty, apikey.key_id = Empty);
//!     let answer = span.in_scope(|| inner.call(request)); // middleware may decide here already
//!     let logged = async move { answer.await.inspect(|response| info!(status = response.status().as_u16(), "answered")) };
//!     logged.instrument(span)
//! });
//! # let app = actix_web::test::init_service(app).await;
//! # let (log, listening) = listen();
//! # check(&app, "/me", "k_reader", "200 text/plain; charset=utf-8 api_key_reader").await;
//! # check(&app, "/me", "", MISSING_KEY).await;
//! # drop(listening);
//! # let log = log.text();
//! # let [accepted, denied] = log.lines().filter(|line| line.contains("answered")).collect::<Vec<_>>()[..] else { panic!("{log}") };
//! # assert!(accepted.contains("apikey.outcome=\"accepted\" apikey.key_id=\"api_key_reader\"}: "), "{log}");
//! # assert!(denied.contains("apikey.outcome=\"denied\" apikey.code=\"MISSING_KEY\"}: "), "{log}");
//! # }
//! ```
//!
//! ## Two Kinde businesses in one program
//!
//! Build an authenticator for each, and give each scope its own. Each has its own cache and limits.
//!
//! ```
//! # use actix_web::{App, web};
//! # use apikey_actix::{ApiKey, Authenticator, Verification};
//! # async fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//! # include!("../tests/recipes/harness.rs");
//! # #[actix_web::main]
//! # async fn main() {
//! # let customers = keys();
//! # let fake = apikey_testkit::FakeVerifier::new().with_key("k_partner", Verification::active("api_key_partner"));
//! # let partners = Authenticator::builder(fake).build().unwrap();
//! let app = App::new()
//!     .service(web::scope("/customers").app_data(customers.clone()).route("/me", web::get().to(me)))
//!     .service(web::scope("/partners").app_data(partners.clone()).route("/me", web::get().to(me)));
//! # let app = actix_web::test::init_service(app).await;
//! # check(&app, "/customers/me", "k_reader", "200 text/plain; charset=utf-8 api_key_reader").await;
//! # check(&app, "/customers/me", "k_partner", INVALID_KEY).await;
//! # check(&app, "/partners/me", "k_partner", "200 text/plain; charset=utf-8 api_key_partner").await;
//! # check(&app, "/partners/me", "k_reader", INVALID_KEY).await;
//! # }
//! ```
//!
//! ## Revoke a key: a handler that needs the authenticator
//!
//! Revoke the key in Kinde. A process that has cached the key still lets it in until the cached answer expires: after five
//! minutes, unless [`cache_time_to_live`](AuthenticatorBuilder::cache_time_to_live) says otherwise. To end that at once, tell
//! each process to forget the key. `remove_user`, `remove_organization` and `clear` forget more. A handler takes the
//! [`Authenticator`] as an argument (`web::Data<Authenticator>` only if you registered it as `web::Data::new(keys)`):
//!
//! ```
//! # use actix_web::{App, HttpResponse, web};
//! # use apikey_actix::{Authenticator, Scoped, scopes};
//! scopes! { Admin = "admin"; }
//!
//! async fn forget(_: Scoped<Admin>, keys: Authenticator, key_id: web::Path<String>) -> HttpResponse {
//!     keys.remove_key_id(&key_id); // the next request with that key asks Kinde
//!     HttpResponse::NoContent().finish()
//! }
//! # include!("../tests/recipes/harness.rs");
//! # #[actix_web::main]
//! # async fn main() {
//! # let keys = keys();
//! # let app = App::new().app_data(keys.clone()).route("/keys/{id}", web::get().to(forget));
//! # let app = actix_web::test::init_service(app).await;
//! # check(&app, "/keys/api_key_admin", "k_reader", NO_ADMIN).await;
//! # check(&app, "/keys/api_key_reader", "k_admin", "204  ").await;
//! # assert_eq!((keys.cached("api_key_reader").len(), keys.cached("api_key_admin").len()), (0, 1));
//! # }
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
//! # use actix_web::{App, http::Method, web};
//! # use apikey_actix::Policy;
//! # async fn data() -> &'static str { "data" }
//! # include!("../tests/recipes/harness.rs");
//! # #[actix_web::main]
//! # async fn main() {
//! # let keys = keys();
//! let cors = actix_cors::Cors::default().allowed_origin("https://app.example").allowed_header("authorization");
//! let app = App::new()
//!     .service(web::resource("/data").wrap(keys.require(Policy::any_key())).route(web::get().to(data)))
//!     .wrap(cors.allow_any_method());
//! # let app = actix_web::test::init_service(app).await;
//! # let from = |key: &str| request("/data", key).insert_header(("origin", "https://app.example"));
//! # let preflight = from("").method(Method::OPTIONS).insert_header(("access-control-request-method", "GET"));
//! # check_request(&app, preflight, "200  ").await;
//! # check_request(&app, from("k_reader"), "200 text/plain; charset=utf-8 data").await;
//! # check_request(&app, from(""), MISSING_KEY).await;
//! # let refused = actix_web::test::call_service(&app, from("").to_request()).await;
//! # assert_eq!(refused.headers().get("access-control-allow-origin").unwrap(), "https://app.example");
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
mod rejection;
mod request;

pub use apikey_core::PeerAddress;
pub use apikey_core::application::*;
pub use authenticator::Authenticator;
pub use extract::{ApiKey, MaybeApiKey, Scoped};
pub use middleware::{RemoveCredentials, RequireKey};
pub use rejection::{Rejection, UnseenRejection};
