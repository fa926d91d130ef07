//! How documents are read: schemes, references, formats, and what is wrong with them.

use apikey_testkit::probe::{FindingKind::*, Probe};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::server::{Place, Route, Server};
use crate::{assert_finds, bearer, document, found, probed};

const SERVER: &str = "http://127.0.0.1:9";

fn reader() -> Route {
    Route::new("GET", "/data", &[&["read"]])
}

fn secured(security: Value) -> Value {
    document(&[("GET", "/data", json!({ "security": security }))])
}

#[tokio::test]
async fn the_security_of_the_document_is_that_of_its_operations() {
    let mut document = document(&[("GET", "/data", json!({})), ("GET", "/open", json!({"security": []}))]);
    document["security"] = json!([{"bearer": ["read"]}]);
    let open = Route::new("GET", "/open", &[]).with(|route| route.guarded = false);
    assert_finds(
        &probed(&document, vec![reader(), open]).await,
        &[],
        &["0 findings in 2 operations, after 6 requests"],
    );
}

#[tokio::test]
async fn tokens_with_scopes_count_as_keys_if_there_are_none() {
    for scheme in ["oauth", "openid"] {
        let report = probed(&secured(json!([{scheme: ["read"]}])), vec![reader()]).await;
        assert_finds(&report, &[], &["after 5 requests"]);
    }
    let both = secured(json!([{"bearer": [], "oauth": ["read"]}]));
    assert_finds(&probed(&both, vec![reader()]).await, &[], &["after 5 requests"]);
    let beside = secured(json!([{"bearer": ["read"]}, {"oauth": ["write"]}]));
    let words = [
        "note: GET /data: this alternative of its `security` is not checked: `oauth` takes access tokens beside API keys",
    ];
    assert_finds(&probed(&beside, vec![reader()]).await, &[], &words);
}

#[tokio::test]
async fn what_takes_no_key_is_noted_and_must_be_guarded() {
    for (security, words) in [
        (json!([{"oauth": []}]), "`oauth` takes access tokens and names no scopes"),
        (json!([{"digest": []}]), "`digest` is of the kind \"http digest\", which takes no API key"),
        (json!([{"bearer": [], "header": []}]), "`bearer` and `header` ask for several credentials at once"),
    ] {
        let document = secured(security);
        let report = probed(&document, vec![reader()]).await;
        assert_finds(&report, &[], &["not checked", words, "after 1 request"]);
        let unguarded = reader().with(|route| route.guarded = false);
        assert_finds(&probed(&document, vec![unguarded]).await, &[Unguarded], &["answered 200, and not 401"]);
        let odd = reader().with(|route| route.missing = 422);
        assert_finds(&probed(&document, vec![odd]).await, &[WrongStatus], &["answered 422, and not 401"]);
    }
    let report =
        probed(&secured(json!([{"certificate": []}])), vec![reader().with(|route| route.guarded = false)])
            .await;
    assert_finds(&report, &[], &["`certificate` takes a client certificate", "after 0 requests"]);
}

#[tokio::test]
async fn an_owner_without_a_key_is_noted() {
    let document = document(&[("GET", "/data", json!({"x-apikey-owner": ["user"]}))]);
    let open = reader().with(|route| route.guarded = false);
    assert_finds(
        &probed(&document, vec![open]).await,
        &[],
        &["note: GET /data: `x-apikey-owner` is not checked"],
    );
}

#[tokio::test]
async fn references_are_followed() {
    let mut document = document(&[]);
    document["paths"]["/data"] = json!({"$ref": "#/components/pathItems/a~1b%20c"});
    document["components"]["pathItems"] = json!({"a/b c": {"get": {"security": [{"aliased": ["read"]}]}}});
    document["components"]["securitySchemes"]["aliased"] =
        json!({"$ref": "#/components/securitySchemes/alias"});
    document["components"]["securitySchemes"]["alias"] =
        json!({"$ref": "#/components/securitySchemes/bearer"});
    assert_finds(&probed(&document, vec![reader()]).await, &[], &["after 5 requests"]);
}

#[tokio::test]
async fn operations_of_other_methods_are_checked() {
    let mut document = document(&[("GET", "/data", bearer(&[&["read"]]))]);
    document["openapi"] = json!("3.2.0");
    document["paths"]["/data"]["additionalOperations"] =
        json!({"COPY": bearer(&[&["write"]]), "Move": bearer(&[&["write"]])});
    let other = |method| Route::new(method, "/data", &[&["write"]]);
    let report = probed(&document, vec![reader(), other("COPY"), other("Move")]).await;
    assert_finds(&report, &[], &["0 findings in 3 operations, after 15 requests"]);

    let open = other("COPY").with(|route| route.guarded = false);
    let emulator = crate::emulator().await;
    let server = Server::start(&emulator, vec![reader(), open, other("Move")]).await;
    let probe = Probe::new(&document, &server.url()).unwrap();
    let routes = ["GET", "COPY", "Move"].map(|method| (method, "/data"));
    let report = probe.routes(routes).run(&emulator).await;
    assert_eq!(found(&report), [(Unguarded, "COPY /data")], "{report}");
}

#[tokio::test]
async fn swagger_2_is_read() {
    let document = json!({
        "swagger": "2.0",
        "basePath": "/v1/",
        "securityDefinitions": {
            "basic": {"type": "basic"},
            "oauth": {"type": "oauth2"},
            "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        },
        "paths": {
            "/basic": {"get": {"security": [{"basic": ["read"]}]}},
            "/oauth": {"get": {"security": [{"oauth": ["read"]}]}},
            "/header": {"get": {"security": [{"header": ["read"]}]}},
        },
    });
    let route = |path, place| Route::new("GET", path, &[&["read"]]).with(|route| route.places = vec![place]);
    let routes = vec![
        route("/v1/basic", Place::Basic),
        route("/v1/oauth", Place::Bearer),
        route("/v1/header", Place::Header),
    ];
    assert_finds(&probed(&document, routes).await, &[], &["0 findings in 3 operations, after 15 requests"]);
}

#[tokio::test]
async fn the_path_of_the_nearest_server_is_joined() {
    let mut document = document(&[("GET", "/a", bearer(&[&["read"]])), ("GET", "/b", bearer(&[&["read"]]))]);
    document["servers"] = json!([{"url": "https://{host}.example.com/{version}", "variables": {
        "host": {"default": "api"}, "version": {"default": "v2"},
    }}]);
    document["paths"]["/b"]["servers"] = json!([{"url": "/other"}]);
    let routes = vec![Route::new("GET", "/v2/a", &[&["read"]]), Route::new("GET", "/other/b", &[&["read"]])];
    assert_finds(&probed(&document, routes).await, &[], &[]);
}

#[test]
fn a_malformed_document_is_refused_with_the_pointer() {
    let operation = |operation: Value| document(&[("GET", "/a/b", operation)]);
    let with = |pointer: &str, value: Value| {
        let mut document = document(&[("GET", "/a/b", bearer(&[&["read"]]))]);
        *document.pointer_mut(pointer).unwrap() = value;
        document
    };
    for (document, pointer, words) in [
        (json!(null), "", "must have the member `openapi`"),
        (json!([]), "", "must have the member `openapi`"),
        (json!({"openapi": 3.1}), "/openapi", "must be a string"),
        (json!({"openapi": "4.0.0"}), "/openapi", "the probe reads 3.x"),
        (json!({"swagger": "1.2"}), "/swagger", "the probe reads 2.0"),
        (json!({"openapi": "3.1.0"}), "", "the document has no operation"),
        (json!({"openapi": "3.1.0", "paths": {"/a": {"parameters": []}}}), "", "has no operation"),
        (with("/paths", json!([])), "/paths", "must be an object"),
        (with("/paths/~1a~1b/get", json!("GET")), "/paths/~1a~1b/get", "must be an object"),
        (with("/paths/~1a~1b/get/security", json!({})), "/paths/~1a~1b/get/security", "must be an array"),
        (with("/paths/~1a~1b/get/security", json!(null)), "/paths/~1a~1b/get/security", "must be an array"),
        (
            with("/paths/~1a~1b/get/security/0", json!([])),
            "/paths/~1a~1b/get/security/0",
            "must be an object",
        ),
        (
            with("/paths/~1a~1b/get/security/0/bearer", json!("read")),
            "/paths/~1a~1b/get/security/0/bearer",
            "must be an array",
        ),
        (
            with("/paths/~1a~1b/get/security/0/bearer/0", json!(1)),
            "/paths/~1a~1b/get/security/0/bearer/0",
            "must be a string",
        ),
        (
            operation(json!({"security": [{"a/b~": []}]})),
            "/paths/~1a~1b/get/security/0/a~1b~0",
            "names the scheme \"a/b~\"",
        ),
        (
            with("/components/securitySchemes/bearer", json!({"type": "http"})),
            "/components/securitySchemes/bearer",
            "must have the member `scheme`",
        ),
        (
            with(
                "/components/securitySchemes/bearer",
                json!({"type": "apiKey", "in": "header", "name": "a b"}),
            ),
            "/components/securitySchemes/bearer",
            "is no name of a header",
        ),
        (
            with("/components/securitySchemes/bearer", json!({"type": "apiKey", "in": "body", "name": "a"})),
            "/components/securitySchemes/bearer",
            "and not header, query or cookie",
        ),
        (
            with(
                "/components/securitySchemes/bearer",
                json!({"type": "apiKey", "in": "cookie", "name": "a;b"}),
            ),
            "/components/securitySchemes/bearer",
            "is no name of a cookie",
        ),
        (
            operation(json!({"x-apikey-owner": "user"})),
            "/paths/~1a~1b/get/x-apikey-owner",
            "must be an array",
        ),
        (
            operation(json!({"x-apikey-owner": ["team"]})),
            "/paths/~1a~1b/get/x-apikey-owner/0",
            "is \"team\", and not",
        ),
        (
            operation(json!({"parameters": [{"in": "path"}]})),
            "/paths/~1a~1b/get/parameters/0",
            "the member `name`",
        ),
        (
            operation(json!({"parameters": [{"in": "header", "name": "a b", "required": true}]})),
            "/paths/~1a~1b/get/parameters/0",
            "is no name of a header",
        ),
        (
            operation(json!({"requestBody": {"$ref": "#/components/requestBodies/none"}})),
            "/paths/~1a~1b/get/requestBody/$ref",
            "which the document lacks",
        ),
        (
            operation(json!({"requestBody": {"$ref": "bodies.json#/a"}})),
            "/paths/~1a~1b/get/requestBody/$ref",
            "refers to another file",
        ),
        (
            with("/paths/~1a~1b", json!({"additionalOperations": {"A B": {}}})),
            "/paths/~1a~1b/additionalOperations/A B",
            "has no method of HTTP",
        ),
        (
            with("/paths/~1a~1b", json!({"additionalOperations": []})),
            "/paths/~1a~1b/additionalOperations",
            "must be an object",
        ),
        (with("/paths/~1a~1b", json!({"$ref": "#/paths/~1a~1b"})), "/paths/~1a~1b", "perhaps a circle"),
        (json!({"openapi": "3.0.0", "paths": {"a": {}}}), "/paths/a", "starts with `/`"),
        (
            json!({"openapi": "3.0.0", "servers": [{}], "paths": {"/a": {"get": {}}}}),
            "/servers/0",
            "must have the member `url`",
        ),
    ] {
        let error = Probe::new(&document, SERVER).unwrap_err();
        assert_eq!(error.pointer(), Some(pointer), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(
            error.to_string().starts_with(if pointer.is_empty() { "the document " } else { pointer }),
            "{error}"
        );
    }
}

#[test]
fn an_address_that_is_no_server_is_refused() {
    let document = document(&[("GET", "/a", json!({}))]);
    for (server, words) in [
        ("", "is no URL"),
        ("127.0.0.1:3000", "does not start with `http://`"),
        ("https://127.0.0.1", "plain HTTP"),
        ("http://127.0.0.1/v1", "more than scheme, host and port"),
        ("http://127.0.0.1/?a", "more than scheme, host and port"),
        ("http://me:k_live_secret@127.0.0.1", "more than scheme, host and port"),
    ] {
        let error = Probe::new(&document, server).unwrap_err();
        assert_eq!(error.pointer(), None);
        assert!(error.to_string().contains(words) && !error.to_string().contains("secret"), "{error}");
    }
    for server in ["http://localhost", "http://[::1]:3000/", "HTTP://example.com:80"] {
        assert!(Probe::new(&document, server).is_ok(), "{server}");
    }
}

#[test]
fn a_run_can_move_between_threads() {
    fn assert_send<T: Send>(_: T) {}
    let probe = Probe::new(&document(&[("GET", "/a", json!({}))]), SERVER).unwrap();
    let run = async move {
        let emulator = crate::emulator().await;
        probe.run(&emulator).await
    };
    assert_send(run);
}

/// JSON that looks like parts of a document.
fn parts() -> impl Strategy<Value = Value> {
    let names = [
        "$ref",
        "additionalOperations",
        "allOf",
        "anyOf",
        "application/json",
        "bearer",
        "content",
        "default",
        "enum",
        "example",
        "examples",
        "get",
        "in",
        "items",
        "minItems",
        "minLength",
        "minimum",
        "multipart/form-data",
        "name",
        "oneOf",
        "parameters",
        "post",
        "properties",
        "requestBody",
        "required",
        "schema",
        "scheme",
        "security",
        "servers",
        "type",
        "url",
        "value",
        "variables",
        "x-apikey-owner",
        "/a/{b}",
        "text/plain",
        "0",
    ];
    let texts = [
        "#/components/schemas/a",
        "#/components/schemas/b",
        "#",
        "#/paths/~1a",
        "array",
        "bearer",
        "body",
        "cookie",
        "formData",
        "header",
        "http",
        "apiKey",
        "integer",
        "object",
        "path",
        "query",
        "string",
        "a b",
        "/{a}{",
        "\u{0}\r\n",
        "é",
        "",
        "organization",
        "https://{a}/b/{c}",
        "%",
        "date",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |part| {
        let name = prop_oneof![8 => prop::sample::select(names.to_vec()).prop_map(str::to_owned), 1 => any::<String>()];
        prop_oneof![
            2 => prop::collection::vec((name, part.clone()), 0..6).prop_map(|members| members.into_iter().collect()),
            1 => prop::collection::vec(part, 0..4).prop_map(Value::from),
        ]
    })
}

/// A document, parts of which are arbitrary.
fn documents() -> impl Strategy<Value = Value> {
    let operation = (parts(), parts(), parts()).prop_map(|(parameters, body, security)| {
        let parameter = json!({"in": "query", "name": "a", "required": true, "schema": parameters});
        let operation =
            json!({"parameters": [parameter], "requestBody": {"content": {"application/json": body}}});
        match security {
            Value::Array(security) => json!({"get": operation, "post": {"security": security}}),
            security => json!({"get": operation, "put": security}),
        }
    });
    let item = prop_oneof![8 => operation, 1 => parts()];
    let path = prop_oneof![
        4 => Just("/a/{b}"),
        1 => prop::sample::select(vec!["/", "", "x-a", "/{", "/é?a=b#c"]),
    ];
    let servers = prop_oneof![4 => Just(json!([])), 1 => parts()];
    let whole = (path, item, parts(), servers);
    let whole = whole.prop_map(|(path, item, schema, servers)| {
        json!({
            "openapi": "3.1.0",
            "servers": servers,
            "paths": {path: item},
            "components": {
                "schemas": {"a": schema, "b": {"allOf": [{"$ref": "#/components/schemas/a"}]}},
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            },
        })
    });
    prop_oneof![9 => whole, 1 => parts()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_document_makes_the_probe_panic(document in documents(), swagger in any::<bool>()) {
        let mut document = document;
        if let Some(object) = document.as_object_mut().filter(|_| swagger) {
            object.remove("openapi");
            object.insert("swagger".to_owned(), json!("2.0"));
        }
        if let Err(error) = Probe::new(&document, SERVER) {
            let pointer = error.pointer().expect("the server is fine");
            prop_assert!(document.pointer(pointer).is_some(), "{}", error);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_document_makes_a_run_panic(document in documents(), route in any::<String>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            if let Ok(probe) = Probe::new(&document, SERVER) {
                let report = probe.routes([("GET", &route)]).max_requests(8).run(&crate::emulator().await).await;
                assert!(!report.is_clean(), "{report}");
            }
        });
    }
}
