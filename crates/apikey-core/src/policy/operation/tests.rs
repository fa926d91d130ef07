use proptest::prelude::*;

use super::*;
use crate::verification::Verification;

#[test]
fn the_published_example_has_its_name() {
    assert_eq!(operation_scope("GET", "/users/{userId}").as_deref(), Ok("get:users_userid"));
}

#[test]
fn a_path_of_a_document_is_named_as_it_stands_there() {
    for (path, scope) in [("/users/:id", "get:users__id"), ("/f/{*rest}", "get:f__rest"), ("/a?b", "get:a_b")]
    {
        assert_eq!(operation_scope("GET", path).as_deref(), Ok(scope));
    }
}

#[test]
fn each_framework_s_template_has_the_same_name() {
    for (route, template) in [
        ("/files/{id}/{*rest}", "/files/{id}/{rest}"),
        ("/files/{id:[0-9]{1,3}}/{rest:.*}", "/files/{id}/{rest}"),
        ("/files/<id>/<rest..>?<page>", "/files/{id}/{rest}"),
        ("/files/:id/*rest", "/files/{id}/{rest}"),
    ] {
        assert_eq!(path_template(route), template);
        let policy = Policy::kinde_operation().for_operation("DELETE", route);
        assert_eq!(policy, Ok(Policy::scope("delete:files_id_rest")));
    }
}

#[test]
fn a_head_request_asks_for_the_scope_of_get() {
    let policy = Policy::kinde_operation();
    for method in ["HEAD", "head", "GET"] {
        assert_eq!(policy.for_operation(method, "/a-b/C.d"), Ok(Policy::scope("get:a_b_c_d")));
    }
}

#[test]
fn a_name_that_kinde_does_not_document_is_refused() {
    let longest = format!("/{}", "a".repeat(LONGEST_OPERATION_SCOPE - "get:".len()));
    assert!(operation_scope("GET", &longest).is_ok());
    let too_long = operation_scope("POST", &longest).unwrap_err();
    assert!(matches!(&too_long, UnnamedOperation::TooLong(scope) if scope.len() == 65), "{too_long}");
    assert!(matches!(operation_scope("GET", "/straße"), Err(UnnamedOperation::NotAscii(_))));
    assert!(matches!(operation_scope("GET", "/"), Err(UnnamedOperation::NoLetter(_))));
    assert!(Policy::kinde_operation_of("GET", "/").is_err());
    assert!(Policy::any_key().and(Policy::kinde_operation()).for_operation("GET", "/").is_err());
    assert!(Policy::any_key().for_operation("GET", "/").is_ok());
}

#[test]
fn an_operation_that_is_not_known_opens_nothing() {
    let key = Verification::active("api_key_1").with_scopes(["", UNNAMED_OPERATION, "get:users", "get:"]);
    assert!(!Policy::kinde_operation().is_satisfied_by(&key));
    assert!(!Policy::all([Policy::kinde_operation()]).is_satisfied_by(&key));
    let named = Policy::kinde_operation().for_operation("GET", "/users").unwrap();
    assert!(named.is_satisfied_by(&key));
}

proptest! {
    #[test]
    fn a_name_is_lower_case_letters_digits_and_lines(method in "[A-Z]{1,7}", path in "\\PC{0,80}") {
        if let Ok(scope) = operation_scope(&method, &path) {
            let (_, name) = scope.split_once(':').unwrap();
            prop_assert!(scope.len() <= LONGEST_OPERATION_SCOPE);
            prop_assert!(!name.starts_with('_') && !name.is_empty());
            prop_assert!(name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        }
    }

    #[test]
    fn a_template_of_openapi_is_its_own_template(path in "(/([a-z.-]{1,8}|\\{[a-z]{1,8}\\})){1,6}") {
        prop_assert_eq!(path_template(&path), path);
    }
}
