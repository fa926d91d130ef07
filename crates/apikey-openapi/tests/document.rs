//! What a completed document says.

use apikey_core::{
    Authenticator, AuthenticatorBuilder, CredentialSource, DenialBody, DenialCode, Policy, RouteRequirement,
    Verification,
};
use apikey_openapi::{complete, protect};
use apikey_testkit::FakeVerifier;
use proptest::prelude::*;
use serde_json::{Value, json};
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder};
use utoipa::openapi::{Info, OpenApi, Paths, Response};

fn builder() -> AuthenticatorBuilder {
    Authenticator::builder(FakeVerifier::new())
}

fn keys() -> Authenticator {
    builder().build().unwrap()
}

fn operation(requirement: impl Into<RouteRequirement>) -> Operation {
    let mut operation = OperationBuilder::new().operation_id(Some("read")).build();
    protect(&mut operation, &requirement.into());
    operation
}

fn document(operations: impl IntoIterator<Item = (HttpMethod, &'static str, Operation)>) -> OpenApi {
    let mut paths = Paths::new();
    for (method, path, operation) in operations {
        paths.add_path_operation(path, vec![method], operation);
    }
    OpenApi::new(Info::new("Users", "1"), paths)
}

fn read(document: &OpenApi) -> Value {
    serde_json::from_str(&document.to_json().unwrap()).unwrap()
}

/// The document of one operation, `GET /users`.
fn completed(requirement: impl Into<RouteRequirement>, keys: &Authenticator) -> Result<Value, String> {
    let mut document = document([(HttpMethod::Get, "/users", operation(requirement))]);
    complete(&mut document, keys).map_err(|error| error.to_string())?;
    Ok(read(&document))
}

fn of(document: &Value) -> &Value {
    &document["paths"]["/users"]["get"]
}

/// Whether `security` of OpenAPI lets a key with these scopes in: one of the alternatives has no other scopes.
fn lets_in(security: &Value, held: &[&str]) -> bool {
    security.as_array().unwrap().iter().any(|alternative| {
        let schemes = alternative.as_object().unwrap();
        schemes
            .values()
            .flat_map(|scopes| scopes.as_array().unwrap())
            .all(|scope| held.contains(&scope.as_str().unwrap()))
    })
}

const SCOPES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn policies() -> impl Strategy<Value = Policy> {
    let leaf = prop_oneof![
        6 => (0..SCOPES.len()).prop_map(|scope| Policy::scope(SCOPES[scope])),
        1 => Just(Policy::organization_key()),
        1 => Just(Policy::user_key()),
        1 => Just(Policy::organization("org_1")),
        1 => Just(Policy::fresh()),
    ];
    leaf.prop_recursive(4, 24, 4, |part| {
        let parts = prop::collection::vec(part, 0..4);
        prop_oneof![parts.clone().prop_map(Policy::all), parts.prop_map(Policy::any)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn the_document_says_what_the_evaluator_decides(policy in policies()) {
        thread_local!(static KEYS: Authenticator = keys());
        let completed = KEYS.with(|keys| completed(policy.clone(), keys));
        let owned = || Verification::active("id").with_organization("org_1").with_user("kp_1");
        let opens = |key: &Verification| policy.is_satisfied_by(key);
        let Ok(completed) = completed else {
            prop_assert!(!opens(&owned().with_scopes(SCOPES)), "{} is refused", policy);
            return Ok(());
        };
        let operation = of(&completed);
        for set in 0_u32..1 << SCOPES.len() {
            let held: Vec<&str> =
                (0..SCOPES.len()).filter(|scope| set & (1 << scope) != 0).map(|scope| SCOPES[scope]).collect();
            let key = owned().with_scopes(held.clone());
            prop_assert_eq!(lets_in(&operation["security"], &held), opens(&key), "{} with {:?}", policy, held);
        }
        // An owner stands in the document exactly if no key without it gets in.
        let of_user = Verification::active("id").with_user("kp_1").with_scopes(SCOPES);
        let of_organization = Verification::active("id").with_organization("org_1").with_scopes(SCOPES);
        let owners = operation["x-apikey-owner"].to_string();
        prop_assert_eq!(owners.contains("organization"), !opens(&of_user), "{}", policy);
        prop_assert_eq!(owners.contains("user"), !opens(&of_organization), "{}", policy);
        // What a refusal lists as `required_scopes` is in the document.
        let mut listed: Vec<String> = Vec::new();
        match operation["x-apikey-scopes"].as_array() {
            Some(scopes) => listed.extend(scopes.iter().map(|scope| scope.as_str().unwrap().to_owned())),
            None => {
                let alternatives = operation["security"].as_array().unwrap().iter();
                let scopes = alternatives.flat_map(|one| one["apiKey"].as_array().unwrap());
                listed.extend(scopes.map(|scope| scope.as_str().unwrap().to_owned()));
            }
        }
        listed.sort();
        listed.dedup();
        let mut required = policy.scopes();
        required.sort_unstable();
        prop_assert_eq!(listed, required, "{}", policy);
    }
}

#[test]
fn a_policy_that_the_document_can_not_say_stops_the_start() {
    let pair = |number: usize| Policy::any([format!("a{number}"), format!("b{number}")]);
    for (policy, reason) in [
        (Policy::any::<Policy>([]), "no key satisfies its policy"),
        (Policy::all((0..30).map(pair)), "more than 100 alternatives"),
    ] {
        let error = completed(policy, &keys()).unwrap_err();
        assert!(error.contains("GET /users") && error.contains(reason), "{error}");
    }
    let sources = [CredentialSource::web_socket_protocol()];
    let error =
        completed(Policy::any_key(), &builder().credential_sources(sources).build().unwrap()).unwrap_err();
    assert!(error.contains("web_socket_protocol"), "{error}");
}

#[test]
fn an_optional_key_is_an_alternative_to_none() {
    apikey_core::adapter_keys! {
        /// A key.
        ApiKey;
        /// A key, if there is one.
        MaybeApiKey;
        /// A key with scopes.
        Scoped;
    }
    fn greet(_: MaybeApiKey) {}
    let completed = completed(RouteRequirement::of(&greet), &keys()).unwrap();
    assert_eq!(of(&completed)["security"], json!([{}, {"apiKey": []}]));
    let _ = |key: ApiKey, scoped: Scoped<()>| {
        (key.into_key(), scoped.into_key(), Scoped::<()>::assume_authorized)
    };
}

#[test]
fn every_place_of_a_key_is_a_scheme() {
    let keys = builder()
        .credential_sources([
            CredentialSource::bearer(),
            CredentialSource::header("X-Api-Key"),
            CredentialSource::header_with_scheme("X-Forwarded-Authorization", "ApiKey"),
            CredentialSource::basic_password(),
            CredentialSource::basic_user_name(),
            CredentialSource::insecure_query_parameter("api_key"),
            CredentialSource::web_socket_protocol(),
        ])
        .build()
        .unwrap();
    let completed = completed(Policy::any(["admin", "read:users"]), &keys).unwrap();
    let schemes = &completed["components"]["securitySchemes"];
    assert_eq!(
        (&schemes["apiKey"]["type"], &schemes["apiKey"]["scheme"]),
        (&json!("http"), &json!("bearer"))
    );
    assert_eq!(
        (&schemes["apiKey2"]["in"], &schemes["apiKey2"]["name"]),
        (&json!("header"), &json!("X-Api-Key"))
    );
    assert_eq!(schemes["apiKey3"]["x-apikey-scheme"], "ApiKey");
    assert_eq!(schemes["apiKey4"]["scheme"], "basic");
    assert_eq!(
        (&schemes["apiKey5"]["in"], &schemes["apiKey5"]["name"]),
        (&json!("query"), &json!("api_key"))
    );
    assert_eq!(schemes.as_object().unwrap().len(), 5);
    assert_eq!(of(&completed)["security"].as_array().unwrap().len(), 10);
}

#[test]
fn a_denial_is_documented_in_the_words_in_which_it_is_sent() {
    let (json, problem) = ("application/json", "application/problem+json");
    for (keys, content_type, required) in [
        (keys(), json, "error"),
        (builder().realm("tickets").problem_details(true).build().unwrap(), problem, "detail"),
        (builder().problem_documentation("https://api.example/problems#").build().unwrap(), problem, "title"),
    ] {
        let completed = completed(Policy::scope("a"), &keys).unwrap();
        let components = &completed["components"];
        for code in DenialCode::ALL {
            let status = code.status();
            let reference = &of(&completed)["responses"][status.to_string()]["$ref"];
            assert_eq!(reference, &json!(format!("#/components/responses/ApiKeyDenial{status}")));
            let response = &components["responses"][format!("ApiKeyDenial{status}")];
            let example = &response["content"][content_type]["examples"][code.as_str()]["value"];
            let sent: Value = serde_json::from_slice(&keys.sample_denial(*code).response().body).unwrap();
            assert_eq!(example, &sent, "{code}");
            let has_challenge = response["headers"].get("WWW-Authenticate").is_some();
            assert!(has_challenge == (status < 404), "{status}");
            assert_eq!(response["headers"].get("Retry-After").is_some(), matches!(status, 429 | 503));
        }
        let schema = &components["schemas"]["ApiKeyDenial"];
        assert!(schema["required"].as_array().unwrap().contains(&json!(required)), "{schema}");
        let codes = schema["properties"]["code"]["enum"].as_array().unwrap();
        assert_eq!(codes.len(), DenialCode::ALL.len());
    }
}

#[test]
fn a_body_of_the_application_has_no_schema() {
    let keys = builder().denial_renderer(|_, _| DenialBody::new("text/html", "<p>No</p>")).build().unwrap();
    let completed = completed(Policy::scope("a"), &keys).unwrap();
    let content = &completed["components"]["responses"]["ApiKeyDenial401"]["content"];
    assert_eq!(content["text/html"]["examples"]["INVALID_KEY"]["value"], "<p>No</p>");
    assert!(content["text/html"].get("schema").is_none());
    assert!(completed["components"]["schemas"].get("ApiKeyDenial").is_none());
}

#[test]
fn a_description_of_the_application_stays() {
    let mut own = operation(Policy::any_key());
    own.responses.responses.insert("400".to_owned(), Response::new("The body is no object.").into());
    let mut document = document([(HttpMethod::Get, "/users", own)]);
    complete(&mut document, &keys()).unwrap();
    let document = read(&document);
    assert_eq!(of(&document)["responses"]["400"]["description"], "The body is no object.");
    assert!(of(&document)["responses"]["401"].get("$ref").is_some());
}

#[test]
fn a_public_document_names_no_organization() {
    let completed = completed(Policy::organization("org_acme").and("a"), &keys()).unwrap();
    assert!(!completed.to_string().contains("org_acme"));
    assert_eq!(of(&completed)["x-apikey-policy"], "a certain organization and a");
    assert_eq!(of(&completed)["x-apikey-owner"], json!(["certain-organization"]));
}

#[test]
fn an_operation_of_kinde_has_its_scope_at_its_final_path() {
    let policy = || Policy::kinde_operation().and(Policy::organization_key());
    let mut inner = document([(HttpMethod::Get, "/{userId}", operation(policy()))]);
    // A router that nests another one moves its operations.
    inner.paths.paths =
        inner.paths.paths.into_iter().map(|(path, item)| (format!("/users{path}"), item)).collect();
    complete(&mut inner, &keys()).unwrap();
    let found = read(&inner)["paths"]["/users/{userId}"]["get"].clone();
    assert_eq!(found["security"], json!([{"apiKey": ["get:users_userid"]}]));
    assert_eq!(found["x-apikey-policy"], "get:users_userid and organization key");
}

#[test]
fn a_head_operation_asks_for_the_scope_of_get() {
    let mut document = document([(HttpMethod::Head, "/users", operation(Policy::kinde_operation()))]);
    complete(&mut document, &keys()).unwrap();
    assert_eq!(read(&document)["paths"]["/users"]["head"]["security"], json!([{"apiKey": ["get:users"]}]));
}

#[test]
fn operations_that_kinde_would_mix_up_stop_the_start() {
    let named = |id: &str| OperationBuilder::new().operation_id(Some(id)).build();
    let guarded = || operation(Policy::kinde_operation());
    let long: &'static str = Box::leak(format!("/{}", "a".repeat(61)).into_boxed_str());
    for (other, path, reason) in [
        (guarded(), "/users/id", "get:users_id"),
        (named("open"), "/users/id", "get:users_id"),
        (guarded(), "/Users/{id}", "get:users_id"),
        (guarded(), long, "more than 64 characters"),
        (guarded(), "/", "neither a letter nor a digit"),
        (guarded(), "/straße", "not ASCII"),
    ] {
        let operations = [(HttpMethod::Get, "/users/{id}", guarded()), (HttpMethod::Get, path, other)];
        let error = complete(&mut document(operations), &keys()).unwrap_err().to_string();
        assert!(error.contains(reason), "{path}: {error}");
    }
    // One `operationId` twice mixes up no scopes.
    let operations = [(HttpMethod::Get, "/users", guarded()), (HttpMethod::Put, "/users", guarded())];
    complete(&mut document(operations), &keys()).unwrap();
    // Without a policy that asks for them, the names are Kinde's matter alone.
    let fixed = || operation(Policy::scope("read:users"));
    let operations = [(HttpMethod::Get, "/users/{id}", fixed()), (HttpMethod::Get, "/users/id", fixed())];
    complete(&mut document(operations), &keys()).unwrap();
}

#[test]
fn a_document_that_is_not_completed_is_not_open() {
    let unfinished = read(&document([(HttpMethod::Get, "/users", operation(Policy::scope("a")))]));
    assert_eq!(of(&unfinished)["security"], json!([{"apiKey": []}]));
    assert!(unfinished["components"]["securitySchemes"].get("apiKey").is_none());
}

#[utoipa::path(get, path = "/users", operation_id = "read", responses((status = 200, description = "All")))]
#[allow(dead_code)]
fn read_users() {}

#[test]
fn two_routes_of_one_operation_must_ask_the_same() {
    let route = || apikey_openapi::documented_route!(read_users);
    let guarded = |scope: &str| route().guarded(&RouteRequirement::from(Policy::scope(scope)));
    for (first, second) in [(route(), guarded("a")), (guarded("a"), route()), (guarded("a"), guarded("b"))] {
        let mut document = document([]);
        first.add_to(&mut document);
        second.add_to(&mut document);
        let error = complete(&mut document, &keys()).unwrap_err().to_string();
        assert!(error.contains("GET /users: two routes"), "{error}");
    }
    let mut document = document([]);
    route().add_to(&mut document);
    route().add_to(&mut document);
    complete(&mut document, &keys()).unwrap();
    assert_eq!(
        of(&read(&document))["security"],
        json!([]),
        "it is open, whatever the document says elsewhere"
    );
}

#[test]
fn security_of_a_whole_document_covers_no_unknown_guard() {
    let everything =
        || Some(vec![utoipa::openapi::SecurityRequirement::new::<_, [&str; 0], &str>("apiKey", [])]);
    let unknown = || OperationBuilder::new().operation_id(Some("unknown")).build();
    let mut all = document([(HttpMethod::Get, "/users", unknown())]);
    all.security = everything();
    let error = complete(&mut all, &keys()).unwrap_err().to_string();
    assert!(error.contains("GET /users") && error.contains("security()"), "{error}");
    let mut open = unknown();
    open.security = Some(Vec::new());
    let mut said = document([
        (HttpMethod::Get, "/users", open),
        (HttpMethod::Put, "/users", operation(Policy::scope("a"))),
    ]);
    said.security = everything();
    complete(&mut said, &keys()).unwrap();
}

#[test]
fn a_template_of_a_framework_becomes_one_of_openapi() {
    let operations = [
        (HttpMethod::Get, "/files/{*rest}", operation(Policy::kinde_operation())),
        (HttpMethod::Get, "/users/{id:[0-9]{1,3}}", operation(Policy::kinde_operation())),
    ];
    let mut document = document(operations);
    complete(&mut document, &keys()).unwrap();
    let document = read(&document);
    for (path, scope) in [("/files/{rest}", "get:files_rest"), ("/users/{id}", "get:users_id")] {
        assert_eq!(document["paths"][path]["get"]["security"], json!([{"apiKey": [scope]}]));
    }
    let twins =
        ["/files/{*rest}", "/files/{rest}"].map(|path| (HttpMethod::Get, path, operation(Policy::any_key())));
    assert!(complete(&mut self::document(twins), &keys()).is_err());
}

#[test]
fn a_scheme_of_the_application_is_not_replaced() {
    let mut document = document([(HttpMethod::Get, "/users", operation(Policy::any_key()))]);
    complete(&mut document, &keys()).unwrap();
    complete(&mut document, &keys()).unwrap();
    let others = builder().credential_sources([CredentialSource::header("X-Api-Key")]).build().unwrap();
    let error = complete(&mut document, &others).unwrap_err().to_string();
    assert!(error.contains("another security scheme with the name apiKey"), "{error}");
}

#[test]
fn scopes_that_refusals_list_have_the_scope_of_the_operation() {
    let policy = Policy::any([Policy::kinde_operation(), Policy::kinde_operation().and("x")]);
    let completed = completed(policy, &keys()).unwrap();
    assert_eq!(of(&completed)["x-apikey-scopes"], json!(["get:users", "x"]));
}
