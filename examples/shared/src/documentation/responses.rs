//! The responses of the API's handlers. Refusals of keys are not among them: the adapter adds those.

use std::collections::BTreeMap;

use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{AnyOfBuilder, Schema};
use utoipa::openapi::{ContentBuilder, Ref, RefOr};
use utoipa::{IntoResponses, ToSchema};

use crate::answers::{
    ChatAnswer, DataAnswer, HealthAnswer, MeAnswer, OptionalAnswer, OrganizationAnswer, ResultAnswer,
    WorkflowAnswer,
};
use crate::{BadRequest, CONTENT_TYPE, MAX_BODY_BYTES};

/// The schema of refusals, which the adapter adds.
const DENIAL: &str = "ApiKeyDenial";

macro_rules! answers {
    ($($answer:ty: $description:literal,)+) => {$(
        impl IntoResponses for $answer {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Self::name())));
                let response = Response::builder().description($description);
                let response = response.content(CONTENT_TYPE, content.build()).build();
                BTreeMap::from([("200".to_owned(), response.into())])
            }
        }
    )+};
}
answers! {
    HealthAnswer: "The server is up.",
    DataAnswer<'_>: "All records.",
    ResultAnswer<'_>: "The record was created.",
    MeAnswer<'_>: "What Kinde says about the key.",
    OptionalAnswer<'_>: "Who has called.",
    OrganizationAnswer<'_>: "The organization that owns the key.",
    ChatAnswer<'_>: "The assistant has answered.",
    WorkflowAnswer<'_>: "The workflow has ended.",
}

impl IntoResponses for BadRequest {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let body = Ref::from_schema_name(Self::name());
        // The adapter leaves a status alone that the application describes, so this says both.
        let either = AnyOfBuilder::new().item(body.clone()).item(Ref::from_schema_name(DENIAL)).build();
        let invalid = Response::builder()
            .description(
                "The body is not what the operation takes, or the request presents more than one key.",
            )
            .content(CONTENT_TYPE, ContentBuilder::new().schema(Some(Schema::AnyOf(either))).build());
        let too_large = Response::builder()
            .description(format!("The body is longer than {MAX_BODY_BYTES} bytes."))
            .content(CONTENT_TYPE, ContentBuilder::new().schema(Some(body)).build());
        BTreeMap::from([
            ("400".to_owned(), invalid.build().into()),
            ("413".to_owned(), too_large.build().into()),
        ])
    }
}
