//! Protect a Rocket API with API keys that [Kinde](https://kinde.com) issues: one fairing, guards by type, and groups of
//! routes by policy.
//!
//! ```no_run
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator, MaybeApiKey, Policy, Scoped, scopes};
//! use rocket::{get, post, routes};
//!
//! scopes! { pub ReadUsers = "read:users"; pub WriteUsers = "write:users"; } // checked at compile time
//!
//! #[rocket::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     tracing_subscriber::fmt::init(); // without a subscriber nobody sees this crate's log
//!     let keys = Authenticator::kinde_from_env()?; // KINDE_DOMAIN, KINDE_MANAGEMENT_CLIENT_ID, ..._SECRET
//!     rocket::build()
//!         .attach(ApiKeys::fairing(keys))
//!         .mount("/", routes![me, list, create, public])
//!         .mount("/admin", ApiKeys::require(Policy::all(["admin"]), routes![report]))
//!         .launch()
//!         .await?;
//!     Ok(())
//! }
//!
//! #[get("/me")]
//! fn me(key: ApiKey) -> String { key.key_id().to_owned() }
//! #[get("/users")]
//! fn list(_key: Scoped<ReadUsers>) -> &'static str { "users" }
//! #[post("/users")]
//! fn create(_key: Scoped<(ReadUsers, WriteUsers)>) -> &'static str { "created" }
//! #[get("/public")]
//! fn public(key: MaybeApiKey) -> &'static str { if key.key().is_some() { "hello again" } else { "hello" } }
//! #[get("/report")]
//! fn report() -> &'static str { "for administrators" }
//! ```
//!
//! ```toml
//! [dependencies]
//! apikey-rocket = { path = "…" } # not on a registry yet
//! rocket = "0.5"
//! tracing-subscriber = "0.3" # or another subscriber: the log says what to change
//! ```
//!
//! # Decisions
//!
//! Guards and groups decide nothing. The core decides, in the same way for every framework. All guards and groups on
//! one request verify its key once, even if Rocket tries several routes for it. A guard that refuses ends the request.
//! It never forwards, so no route of lower rank answers instead. A guard without the fairing stops the launch.
//!
//! Fairings and catchers take no guards. [`verified_key`] tells them which key was let in. [`denial`] tells them why the
//! request was refused. Rocket's responses have no extensions, so a response fairing asks these two.
//!
//! # What a refusal looks like
//!
//! [`DenialCode`] has the table: status, stable code, message. [`Rejection`] is the response. [`ApiKeys`] says which catcher
//! sends it if you have some of your own. A catch-all (`#[catch(default)]`) of yours gets no denials.
//!
//! A gRPC request gets its refusal as `grpc-status` and `grpc-message`. To word bodies yourself, see
//! [below](#an-optional-key-and-an-error-body-of-your-own).
//!
//! # Recipes
//!
//! ## Your own state
//!
//! Manage it as usual, beside the fairing.
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator};
//! use rocket::{Build, Rocket, State, get, routes};
//!
//! struct Greeting(&'static str);
//!
//! #[get("/")]
//! fn greet(key: ApiKey, greeting: &State<Greeting>) -> String {
//!     format!("{} {}", greeting.0, key.key_id())
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     rocket::build().manage(Greeting("Hello,")).attach(ApiKeys::fairing(keys)).mount("/", routes![greet])
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     check(rocket, "/", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! #     check(rocket, "/", &[("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 Hello, api_key_reader");
//! # }
//! ```
//!
//! ## A handler that needs the authenticator
//!
//! Manage a clone of it, too. If you forget that, Rocket refuses to launch, and names the handler.
//!
//! ```
//! use apikey_rocket::{ApiKeys, Authenticator, Policy};
//! use rocket::{Build, Rocket, State, get, routes};
//!
//! #[get("/cached")]
//! fn cached(keys: &State<Authenticator>) -> String {
//!     format!("{} cached", keys.cached_keys())
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     rocket::build()
//!         .manage(keys.clone())
//!         .attach(ApiKeys::fairing(keys))
//!         .mount("/admin", ApiKeys::require(Policy::all(["admin"]), routes![cached]))
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     check(rocket, "/admin/cached", &[("authorization", "Bearer k_reader")], "403 application/json {\"error\":\"Insufficient scope. Required: admin\",\"code\":\"INSUFFICIENT_SCOPE\",\"required_scopes\":[\"admin\"],\"available_scopes\":[\"read:users\"]}");
//! #     check(rocket, "/admin/cached", &[("authorization", "Bearer k_admin")], "200 text/plain; charset=utf-8 1 cached");
//! # }
//! ```
//!
//! ## A group of routes, and a route for one organization
//!
//! [`ApiKeys::require`] takes a policy by value, so it may come from a configuration. The guards in the handlers use
//! the group's verification.
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator, Policy};
//! use rocket::{Build, Rocket, get, routes};
//!
//! #[get("/tickets")]
//! fn tickets(key: ApiKey) -> String {
//!     format!("tickets for {}", key.key_id())
//! }
//!
//! #[get("/report")]
//! fn report() -> &'static str {
//!     "for administrators"
//! }
//!
//! fn mount(rocket: Rocket<Build>, organization: String) -> Rocket<Build> {
//!     rocket
//!         .mount("/admin", ApiKeys::require(Policy::all(["admin"]), routes![report]))
//!         .mount("/acme", ApiKeys::require(Policy::organization(organization), routes![tickets]))
//! }
//! # fn app(keys: Authenticator) -> Rocket<Build> {
//! #     mount(rocket::build().attach(ApiKeys::fairing(keys)), "org_acme".to_owned())
//! # }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     check(app, "/admin/report", &[("authorization", "Bearer k_admin")], "200 text/plain; charset=utf-8 for administrators");
//! #     check(app, "/admin/report", &[("authorization", "Bearer k_reader")], "403 application/json {\"error\":\"Insufficient scope. Required: admin\",\"code\":\"INSUFFICIENT_SCOPE\",\"required_scopes\":[\"admin\"],\"available_scopes\":[\"read:users\"]}");
//! #     check(app, "/acme/tickets", &[("authorization", "Bearer k_acme")], "200 text/plain; charset=utf-8 tickets for api_key_acme");
//! #     check(app, "/acme/tickets", &[("authorization", "Bearer k_globex")], "403 application/json {\"error\":\"API key belongs to another organization\",\"code\":\"ORGANIZATION_MISMATCH\"}");
//! # }
//! ```
//!
//! A group protects its own routes and nothing else. A path without a route is a 404 for everybody, and a catch-all route
//! outside of the group answers everybody. Put the catch-all into the group to protect it, too:
//!
//! ```
//! use apikey_rocket::{ApiKeys, Authenticator, Policy};
//! use rocket::{Build, Rocket, get, routes};
//!
//! #[get("/report")]
//! fn report() -> &'static str {
//!     "for administrators"
//! }
//!
//! #[get("/<_..>", rank = 20)]
//! fn fallback() -> &'static str {
//!     "some other page"
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     rocket::build()
//!         .attach(ApiKeys::fairing(keys))
//!         .mount("/admin", ApiKeys::require(Policy::all(["admin"]), routes![report, fallback]))
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     check(rocket, "/admin/other", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! #     check(rocket, "/admin/other", &[("authorization", "Bearer k_admin")], "200 text/plain; charset=utf-8 some other page");
//! # }
//! ```
//!
//! ## Uploads
//!
//! A client may send its whole body before it reads the answer. A guard sees no body, so a client whose upload a guard refuses
//! may see a broken connection and no answer. A group reads the rest of the body, so put such routes into one:
//!
//! ```
//! use apikey_rocket::{ApiKeys, Authenticator, Scoped, scopes};
//! use rocket::{Build, Rocket, post, routes};
//!
//! scopes! { ReadUsers = "read:users"; }
//!
//! #[post("/import", data = "<users>")]
//! fn import(key: Scoped<ReadUsers>, users: String) -> String {
//!     format!("{} bytes from {}", users.len(), key.key_id())
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     rocket::build().attach(ApiKeys::fairing(keys)).mount("/", ApiKeys::require("read:users", routes![import]))
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     check(rocket, "POST /import", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! #     check(rocket, "POST /import", &[("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 0 bytes from api_key_reader");
//! # }
//! ```
//!
//! ## An organization in the path
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator, Policy, Rejection};
//! use rocket::{Build, Rocket, State, get, routes};
//!
//! #[get("/organizations/<organization>/tickets")]
//! fn tickets(
//!     organization: String,
//!     key: ApiKey,
//!     keys: &State<Authenticator>,
//! ) -> Result<String, Rejection> {
//!     keys.authorize(&key, &Policy::organization(organization.clone()))?; // 403 ORGANIZATION_MISMATCH
//!     Ok(format!("tickets of {organization}"))
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     rocket::build().manage(keys.clone()).attach(ApiKeys::fairing(keys)).mount("/", routes![tickets])
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let path = "/organizations/org_acme/tickets";
//! #     check(rocket, path, &[("authorization", "Bearer k_acme")], "200 text/plain; charset=utf-8 tickets of org_acme");
//! #     check(rocket, path, &[("authorization", "Bearer k_globex")], "403 application/json {\"error\":\"API key belongs to another organization\",\"code\":\"ORGANIZATION_MISMATCH\"}");
//! #     check(rocket, path, &[("authorization", "Bearer k_reader")], "403 application/json {\"error\":\"An organization API key is required\",\"code\":\"ORGANIZATION_KEY_REQUIRED\"}");
//! # }
//! ```
//!
//! ## An optional key, and an error body of your own
//!
//! An optional key is a [`MaybeApiKey`], *never* an `Option<ApiKey>`: [`ApiKey`] says why. One function words the bodies of all
//! refusals, those of guards and those of groups. Status and headers stay:
//!
//! ```
//! use apikey_rocket::{ApiKeys, Audience, Authenticator, AuthenticatorBuilder, ConfigError, Denial, DenialBody, MaybeApiKey};
//! use rocket::{Build, Rocket, get, routes};
//!
//! fn page(denial: &Denial, audience: &Audience) -> DenialBody {
//!     if audience.accept().is_some_and(|accept| accept.contains("text/html")) {
//!         DenialBody::new("text/html; charset=utf-8", format!("<h1>{}</h1>", denial.code()))
//!     } else {
//!         denial.default_body()
//!     }
//! }
//!
//! fn keys(builder: AuthenticatorBuilder) -> Result<Authenticator, ConfigError> {
//!     builder.denial_renderer(page).build()
//! }
//!
//! #[get("/greeting")]
//! fn greet(key: MaybeApiKey) -> &'static str {
//!     if key.key().is_some() { "hello again" } else { "hello" }
//! }
//! # fn app(_: Authenticator) -> Rocket<Build> {
//! #     let keys = keys(Authenticator::builder(fake())).unwrap();
//! #     rocket::build().attach(ApiKeys::fairing(keys)).mount("/", routes![greet])
//! # }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let html = ("accept", "text/html,*/*");
//! #     check(app, "/greeting", &[html], "200 text/plain; charset=utf-8 hello");
//! #     check(app, "/greeting", &[("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 hello again");
//! #     check(app, "/greeting", &[("authorization", "Bearer bad"), html], "401 text/html; charset=utf-8 <h1>INVALID_KEY</h1>");
//! #     check(app, "/greeting", &[("authorization", "Bearer bad")], "401 application/json {\"error\":\"Invalid API key\",\"code\":\"INVALID_KEY\"}");
//! # }
//! ```
//!
//! A catcher of yours for exactly one status answers in place of all that: [`denial`] shows how it passes denials on.
//!
//! ## Who called
//!
//! Rocket opens no span for a request, so a response fairing writes the line, for refused requests, too. Each decision is
//! also an event of its own with the fields `apikey.outcome`, `apikey.code` and `apikey.key_id`. A refusal has the level
//! `DEBUG`, an acceptance `TRACE`.
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator, denial, verified_key};
//! use rocket::fairing::{AdHoc, Fairing};
//! use rocket::{Build, Rocket, get, routes};
//!
//! fn access_log() -> impl Fairing {
//!     AdHoc::on_response("access log", |request, response| {
//!         Box::pin(async move {
//!             let (method, path) = (request.method().as_str(), request.uri().path().as_str()); // the query may hold a key
//!             let status = response.status().code;
//!             let key = verified_key(request);
//!             let key_id = key.as_ref().map(|key| key.key_id());
//!             let code = denial(request).map(|denial| denial.code().as_str());
//!             tracing::info!(method, path, status, apikey.key_id = key_id, apikey.code = code, "answered");
//!         })
//!     })
//! }
//!
//! #[get("/me")]
//! fn me(key: ApiKey) -> String {
//!     key.key_id().to_owned()
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     rocket::build().attach(access_log()).attach(ApiKeys::fairing(keys)).mount("/", routes![me])
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let log = logged(|| {
//! #         check(rocket, "/me", &[("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 api_key_reader");
//! #         check(rocket, "/me", &[], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}");
//! #     });
//! #     let [accepted, denied] = log.lines().filter(|line| line.contains("answered")).collect::<Vec<_>>()[..] else { panic!("{log}") };
//! #     assert!(accepted.ends_with("path=\"/me\" status=200 apikey.key_id=\"api_key_reader\""), "{log}");
//! #     assert!(denied.ends_with("path=\"/me\" status=401 apikey.code=\"MISSING_KEY\""), "{log}");
//! # }
//! ```
//!
//! ## Two Kinde businesses in one program
//!
//! Build an authenticator for each. Attach one, and give the other to the groups that it decides about. Each has its own
//! cache and limits.
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator, Policy};
//! use rocket::{Build, Rocket, get, routes};
//!
//! #[get("/me")]
//! fn me(key: ApiKey) -> String {
//!     key.key_id().to_owned()
//! }
//!
//! fn rocket(customers: Authenticator, partners: Authenticator) -> Rocket<Build> {
//!     let of_partners = ApiKeys::require(Policy::any_key(), routes![me]).authenticator(partners);
//!     rocket::build()
//!         .attach(ApiKeys::fairing(customers))
//!         .mount("/customers", routes![me])
//!         .mount("/partners", of_partners)
//! }
//! # use apikey_testkit::FakeVerifier;
//! # fn both(customers: Authenticator) -> Rocket<Build> {
//! #     let fake = FakeVerifier::new().with_key("k_partner", apikey_rocket::Verification::active("api_key_partner"));
//! #     rocket(customers, Authenticator::builder(fake).build().unwrap())
//! # }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let refused = "401 application/json {\"error\":\"Invalid API key\",\"code\":\"INVALID_KEY\"}";
//! #     let (reader, partner) = (("authorization", "Bearer k_reader"), ("authorization", "Bearer k_partner"));
//! #     check(both, "/customers/me", &[reader], "200 text/plain; charset=utf-8 api_key_reader");
//! #     check(both, "/customers/me", &[partner], refused);
//! #     check(both, "/partners/me", &[partner], "200 text/plain; charset=utf-8 api_key_partner");
//! #     check(both, "/partners/me", &[reader], refused);
//! # }
//! ```
//!
//! ## Revoke a key
//!
//! Revoke the key in Kinde. A process that has cached the key still lets it in until the cached answer expires: after
//! five minutes, unless [`cache_time_to_live`](AuthenticatorBuilder::cache_time_to_live) says otherwise. To end that at
//! once, tell each process to forget the key. `remove_user`, `remove_organization` and `clear` forget more.
//!
//! ```
//! use apikey_rocket::{ApiKeys, Authenticator, Policy};
//! use rocket::{Build, Rocket, State, post, routes};
//!
//! #[post("/keys/<key_id>/revoked")]
//! fn revoked(keys: &State<Authenticator>, key_id: &str) {
//!     keys.remove_key_id(key_id); // the next request with that key asks Kinde
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     rocket::build()
//!         .manage(keys.clone())
//!         .attach(ApiKeys::fairing(keys))
//!         .mount("/admin", ApiKeys::require(Policy::all(["admin"]), routes![revoked]))
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     check(rocket, "POST /admin/keys/api_key_reader/revoked", &[("authorization", "Bearer k_reader")], "403 application/json {\"error\":\"Insufficient scope. Required: admin\",\"code\":\"INSUFFICIENT_SCOPE\",\"required_scopes\":[\"admin\"],\"available_scopes\":[\"read:users\"]}");
//! #     let keys = Authenticator::builder(fake()).build().unwrap();
//! #     let shared = |_| rocket(keys.clone());
//! #     check(shared, "POST /admin/keys/api_key_reader/revoked", &[("authorization", "Bearer k_admin")], "200  ");
//! #     assert_eq!(keys.cached_keys(), 1);
//! #     check(shared, "POST /admin/keys/api_key_admin/revoked", &[("authorization", "Bearer k_admin")], "200  ");
//! #     assert_eq!(keys.cached_keys(), 0);
//! # }
//! ```
//!
//! ## Test a handler without any network
//!
//! A handler is a function, and a test can call it with a key from [`VerifiedKey::assume_verified`]. To test the route
//! with its guard, too, let a fake verifier answer. With `apikey-testkit` among the dev-dependencies:
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator, Verification, VerifiedKey};
//! use apikey_testkit::FakeVerifier;
//! use rocket::http::{Header, Status};
//! use rocket::local::asynchronous::Client;
//! use rocket::{Build, Rocket, get, routes};
//!
//! #[get("/me")]
//! fn me(key: ApiKey) -> String {
//!     key.key_id().to_owned()
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     rocket::build().attach(ApiKeys::fairing(keys)).mount("/", routes![me])
//! }
//!
//! #[rocket::main] // or `#[rocket::async_test]`
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let key = VerifiedKey::assume_verified(Verification::active("api_key_1"));
//!     assert_eq!(me(key.into()), "api_key_1");
//!
//!     let fake = FakeVerifier::new().with_key("k_test", Verification::active("api_key_1"));
//!     let client = Client::tracked(rocket(Authenticator::builder(fake).build()?)).await?;
//!     let request = client.get("/me").header(Header::new("Authorization", "Bearer k_test"));
//!     assert_eq!(request.dispatch().await.into_string().await.as_deref(), Some("api_key_1"));
//!     assert_eq!(client.get("/me").dispatch().await.status(), Status::Unauthorized);
//!     Ok(())
//! }
//! ```
//!
//! Make a new request for every dispatch. Clones of a `LocalRequest` share their local cache, and so they share the
//! verification.
//!
//! ## A verifier of your own
//!
//! If keys don't come from Kinde, implement [`Verifier`]. The authenticator caches its answers, limits how often one client
//! may cause a call, and bounds the time of each call. If a key was *not* judged, return a [`VerifierError`]: the caller
//! gets a 5xx, and is never told that the key is bad. For a test of what expires, give the builder a [`ManualClock`].
//!
//! ```
//! use apikey_rocket::{ApiKey, ApiKeys, Authenticator, Verification};
//! use apikey_rocket::{Judgement, PresentedKey, Refusal, Verifier, VerifierError, async_trait};
//! use rocket::http::Header;
//! use rocket::local::asynchronous::Client;
//! use rocket::{get, routes};
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
//! #[get("/me")]
//! fn me(key: ApiKey) -> String {
//!     key.key_id().to_owned()
//! }
//!
//! #[rocket::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let keys = Authenticator::builder(Directory).build()?;
//!     let rocket = rocket::build().attach(ApiKeys::fairing(keys)).mount("/", routes![me]);
//!     let client = Client::tracked(rocket).await?;
//!     for (key, status) in [("k_own", 200), ("k_unknown", 401)] {
//!         let request = client.get("/me").header(Header::new("Authorization", format!("Bearer {key}")));
//!         assert_eq!(request.dispatch().await.status().code, status);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! ## CORS
//!
//! Browsers send pre-flights without credentials. Answer them by a route outside of every group, and set the headers in a
//! response fairing, which sees denials, too. If the `OPTIONS` routes must stand within a group, see
//! [`Require::pass_preflight`].
//!
//! ```
//! use apikey_rocket::{ApiKeys, Authenticator};
//! use rocket::fairing::AdHoc;
//! use rocket::http::{Header, Status};
//! use rocket::{Build, Rocket, get, options, routes};
//!
//! #[options("/<_..>")]
//! fn preflight() -> Status {
//!     Status::NoContent
//! }
//!
//! #[get("/users")]
//! fn list() -> &'static str {
//!     "users"
//! }
//!
//! fn rocket(keys: Authenticator) -> Rocket<Build> {
//!     let cors = AdHoc::on_response("CORS", |_, response| {
//!         Box::pin(async move {
//!             response.set_header(Header::new("Access-Control-Allow-Origin", "https://app.example"));
//!             response.set_header(Header::new("Access-Control-Allow-Headers", "authorization"));
//!         })
//!     });
//!     rocket::build()
//!         .attach(cors)
//!         .attach(ApiKeys::fairing(keys))
//!         .mount("/", routes![preflight])
//!         .mount("/", ApiKeys::require("read:users", routes![list]))
//! }
//! # include!("../tests/recipes/harness.rs");
//! # fn main() {
//! #     let asked = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
//! #     let answers = [
//! #         check(rocket, "OPTIONS /users", &asked, "204  "),
//! #         check(rocket, "/users", &[asked[0]], "401 application/json {\"error\":\"No authorization header\",\"code\":\"MISSING_KEY\"}"),
//! #         check(rocket, "/users", &[asked[0], ("authorization", "Bearer k_reader")], "200 text/plain; charset=utf-8 users"),
//! #     ];
//! #     for headers in answers {
//! #         assert_eq!(headers.get_one("access-control-allow-origin"), Some("https://app.example"));
//! #     }
//! # }
//! ```
//!
//! # Clients' addresses
//!
//! The authenticator limits verification attempts per client ([`attempt_limit`](AuthenticatorBuilder::attempt_limit)).
//! Rocket knows its clients' addresses without any setting. Behind a proxy, set
//! [`trusted_proxies`](AuthenticatorBuilder::trusted_proxies), too: otherwise all callers count as one client, the
//! proxy. The authenticator ignores Rocket's own `ip_header`, because a client may write that header itself.
//!
//! Rocket drops a line of a forwarding header that is not UTF-8, with all that a proxy appended to it. Then the attempt
//! counts for the proxy, or for the address in another line, and the client may have written that line. So let the
//! proxy replace that header, or add a line of its own. It must not append to what the client sent.
//!
//! # Limits
//!
//! - Rocket drops header values that are not UTF-8 before any guard runs. Such a value counts as nothing presented,
//!   while other frameworks' adapters call it malformed. If there is a good value, too, the header does not count as
//!   repeated.
//! - A form in the body of a POST may choose another method: if its first field is `_method`, Rocket uses that value as
//!   the method before any guard runs. The policies of that method's route apply, but rules by method in front of
//!   Rocket don't see it.
//! - A body that breaks off within its first 14 bytes looks whole. If that matters, compare its length with `Content-Length`, as
//!   the reference server does.
//! - Rocket waits for the first 14 bytes of a body, or its end, before any guard runs. It reads nothing more of the body before
//!   the key is judged.
//! - [`remove_credential`](AuthenticatorBuilder::remove_credential) does not work, because no fairing can take a header out of a
//!   request. [`ApiKeys::fairing`] refuses to launch with it.
//! - With `log_level = "debug"` Rocket itself logs whole requests, and with them the keys that they present. At `normal`
//!   it logs their URIs: prefer header sources to a query parameter.
//! - `Option<ApiKey>` makes every refused caller anonymous. Take [`MaybeApiKey`].
//! - A client that sends its whole body before it reads (Python's `http.client`, node's `fetch`) sees a broken connection and no
//!   answer if a guard refuses its upload. Put the route into a group: see [Uploads](#uploads). Larger uploads than
//!   [`refused_uploads`](AuthenticatorBuilder::refused_uploads) allows see it in a group, too.
//! - Rocket asks for the body of a request with `Expect: 100-continue` before any guard runs.
//! - A Rocket has one attached authenticator. A group may have another.

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

mod catchers;
mod fairing;
mod guard;
mod memo;
mod rejection;
mod request;
mod require;
mod uploads;

pub use apikey_core::application::*;
pub use fairing::ApiKeys;
pub use guard::{ApiKey, MaybeApiKey, Scoped};
pub use memo::{denial, verified_key};
pub use rejection::Rejection;
pub use require::Require;
