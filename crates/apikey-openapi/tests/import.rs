//! What Kinde's import of a document would mix up.

use apikey_openapi::{ImportProblem, LARGEST_IMPORT, import_problems};
use proptest::prelude::*;
use serde_json::{Value, json};

fn document(paths: Value) -> String {
    json!({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}).to_string()
}

fn get(id: &str) -> Value {
    json!({"get": {"operationId": id}})
}

/// Twenty mistakes, each by itself in a document of its own, and how its message begins.
fn planted() -> Vec<(Value, &'static str)> {
    let long = format!("/{}", "a".repeat(61));
    let of_two = |one: &str, two: &str| json!({one: get("one"), two: get("two")});
    vec![
        (
            of_two("/users/{id}", "/users/id"),
            "GET /users/id and GET /users/{id} get one scope, `get:users_id`",
        ),
        (of_two("/a-b", "/a_b"), "GET /a-b and GET /a_b get one scope, `get:a_b`"),
        (of_two("/a.b", "/a/b"), "GET /a.b and GET /a/b get one scope, `get:a_b`"),
        (of_two("/Users", "/users"), "GET /Users and GET /users get one scope, `get:users`"),
        (of_two("/_users", "/users"), "GET /_users and GET /users get one scope, `get:users`"),
        (
            of_two("/users/{id}", "/users/{ID}"),
            "GET /users/{ID} and GET /users/{id} get one scope, `get:users_id`",
        ),
        (of_two("/a b", "/a+b"), "GET /a b and GET /a+b get one scope, `get:a_b`"),
        (of_two("/users/", "/users-"), "GET /users- and GET /users/ get one scope, `get:users_`"),
        (of_two("/v1:batch", "/v1/batch"), "GET /v1/batch and GET /v1:batch get one scope, `get:v1_batch`"),
        (of_two("/{a}{b}", "/{ab}"), "GET /{ab} and GET /{a}{b} get one scope, `get:ab`"),
        (
            json!({"/a": {"additionalOperations": {"LINK": {"operationId": "x"}, "link": {"operationId": "y"}}}}),
            "LINK /a and link /a get one scope, `link:a`",
        ),
        (json!({long: get("long")}), "GET /aaa"),
        (json!({"/straße": get("street")}), "GET /straße: the path `/straße` is not ASCII"),
        (json!({"/": get("root")}), "GET /: the path `/` has neither a letter nor a digit"),
        (json!({"/-/_": get("lines")}), "GET /-/_: the path `/-/_` has neither a letter nor a digit"),
        (json!({"/a": {"get": {}}}), "GET /a has no operationId"),
        (json!({"/a": {"post": {"operationId": ""}}}), "POST /a has no operationId"),
        (json!({"/a": get("same"), "/b": get("same")}), "GET /a and GET /b have one operationId, `same`"),
        (
            json!({"/a": {"get": {"operationId": "same"}, "put": {"operationId": "same"}}}),
            "GET /a and PUT /a have one operationId, `same`",
        ),
        (json!({"/a": {"$ref": "other.json"}}), "the operations of /a are a `$ref`"),
    ]
}

#[test]
fn each_of_twenty_planted_mistakes_is_found_alone() {
    let planted = planted();
    assert_eq!(planted.len(), 20);
    for (paths, message) in planted {
        let problems = import_problems(&document(paths.clone()));
        let [problem] = &problems[..] else { panic!("{paths}: {problems:?}") };
        assert!(problem.to_string().starts_with(message), "{problem}");
    }
}

#[test]
fn twenty_mistakes_in_one_document_are_all_found() {
    let mut all = serde_json::Map::new();
    for (number, (paths, _)) in planted().into_iter().enumerate() {
        for (path, item) in paths.as_object().unwrap() {
            // The mistakes about a whole path can't move below another one.
            let is_whole = item["get"]["operationId"] == "root" || item["get"]["operationId"] == "lines";
            let path = if is_whole { path.clone() } else { format!("/n{number}{path}") };
            let text =
                item.to_string().replace("\"operationId\":\"", &format!("\"operationId\":\"n{number}_"));
            let text = text.replace(&format!("\"n{number}_\""), "\"\"");
            all.insert(path, serde_json::from_str(&text).unwrap());
        }
    }
    let problems = import_problems(&document(all.into()));
    // Below another path, `/_users` no longer begins with a line: that one is no mistake then.
    assert_eq!(problems.len(), 19, "{problems:#?}");
}

#[test]
fn a_file_that_kinde_does_not_take_is_found() {
    let large = document(json!({"/a": {"get": {"operationId": "a", "summary": "x".repeat(LARGEST_IMPORT)}}}));
    assert!(matches!(import_problems(&large)[..], [ImportProblem::TooLarge(bytes)] if bytes == large.len()));
    for text in ["", "openapi: 3.1.0", "[]", "{}", r#"{"openapi":"3.1.0","paths":[]}"#] {
        assert!(matches!(import_problems(text)[..], [ImportProblem::NotADocument(_)]), "{text}");
    }
}

#[test]
fn a_document_without_mistakes_has_no_problems() {
    let fine = json!({
        "/users": {"get": {"operationId": "list"}, "post": {"operationId": "create"}, "parameters": []},
        "/users/{userId}": {"get": {"operationId": "read"}, "summary": "One user"},
        "x-note": {"get": {}}
    });
    assert_eq!(import_problems(&document(fine)), []);
    assert_eq!(import_problems(r#"{"openapi":"3.1.0"}"#), []);
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(text in "\\PC*", path in "/\\PC*", member in "\\PC*", value in "\\PC*") {
        let _ = import_problems(&text);
        let _ = import_problems(&document(json!({path.clone(): {"get": {member.clone(): value.clone()}}})));
        let _ = import_problems(&document(json!({path: [member, value]})));
    }
}
