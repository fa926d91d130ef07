//! The parts that the reference servers share, so that each of them only wires routes.
//!
//! Every server builds one [`Store`] at start-up and calls one function for each route with the raw bytes of the
//! request body. The function returns a value of [`answers`] or a [`BadRequest`]. Both turn into a [`Reply`]: a
//! status and the bytes to send. So the responses are the same, byte for byte, on every framework.
//!
//! | route | function |
//! | --- | --- |
//! | `GET /health` | [`answers::HealthAnswer`] |
//! | `GET /api/data`, `GET /api/any` | [`data::list`] |
//! | `POST /api/data` | [`data::create`] |
//! | `GET /api/me` | [`answers::MeAnswer`] |
//! | `GET /api/optional` | [`answers::OptionalAnswer`] |
//! | `GET /api/org` | [`answers::OrganizationAnswer`] |
//! | `POST /ai/chat` | [`assistant::answer`] |
//! | `POST /workflow/automate` | [`workflow::automate`] |
//! | `GET /openapi.json`, `GET /docs` | [`Documentation::page`] |
//! | `POST /kinde/webhook`, if `KINDE_WEBHOOKS` is `on` | [`Webhooks::receive`] |
//!
//! [`Settings`] reads the same environment variables for all of them. It builds the authenticator, and starts the metrics
//! listener and the audit log.
//!
//! The functions don't look at a key. The server has decided before whether the caller may call, and hands over the
//! key id and the organization code. A server reads at most [`MAX_BODY_BYTES`] of a body. It answers a longer one
//! with [`BadRequest::too_large`].
//!
//! ```
//! use example_shared::{Reply, Store, data};
//!
//! let store = Store::new();
//! let reply = Reply::from(data::create(&store, br#"{"name":"Hedy Lamarr"}"#, "api_key_1"));
//! assert_eq!(reply.status, 200);
//! assert_eq!(reply.body, br#"{"result":{"id":"record_1","name":"Hedy Lamarr"},"key_id":"api_key_1"}"#);
//!
//! let reply = Reply::from(data::create(&store, b"no JSON", "api_key_1"));
//! assert_eq!(reply.status, 400);
//! assert_eq!(reply.body, br#"{"error":"Request body must be JSON","code":"INVALID_BODY"}"#);
//! ```

pub mod answers;
pub mod assistant;
mod audit;
mod bad_request;
mod body;
pub mod data;
pub mod data_set;
pub mod documentation;
mod metrics;
mod operations;
mod process;
mod reply;
pub mod settings;
mod store;
mod webhooks;
pub mod workflow;

pub use bad_request::{BadRequest, MAX_BODY_BYTES};
pub use documentation::Documentation;
pub use operations::Operations;
pub use process::{exit, start_logging, stop_signal, until_stopped};
pub use reply::{CONTENT_TYPE, Reply};
pub use settings::Settings;
pub use store::{MAX_CREATED, Store};
pub use webhooks::{LONGEST_WEBHOOK, Webhooks};
