//! The OpenAPI document of the reference API, and the page that shows it.
//!
//! A server adds its routes to the document of [`Api`], and completes it with the guards of its own framework. [`requests`] and
//! [`responses`] have what is the same on every framework. [`Documentation`] is what the server sends.

mod pages;
pub mod requests;
pub mod responses;

pub use pages::Documentation;

use crate::{BadRequest, answers, data_set};

/// The document without routes: its title, and all schemas.
#[derive(Debug, Clone, Copy, utoipa::OpenApi)]
#[openapi(
    info(
        title = "Reference API",
        description = "The same API on axum, actix-web, Rocket and warp. API keys that Kinde issues protect it.",
        version = "1.0.0",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "This server")),
    components(schemas(
        BadRequest,
        answers::ChatAnswer,
        answers::CreatedRecord,
        answers::DataAnswer,
        answers::HealthAnswer,
        answers::MeAnswer,
        answers::OptionalAnswer,
        answers::OrganizationAnswer,
        answers::ResultAnswer,
        answers::WorkflowAnswer,
        data_set::User,
    ))
)]
pub struct Api;
