//! Compares an answer with the contract.

use super::walk::{Expected, Rule};
use apikey_testkit::raw::RawResponse;

/// The differences, one sentence each. Empty if the answer is as expected.
pub(super) fn differences(expected: &Expected, response: &RawResponse, upstream_calls: u64) -> Vec<String> {
    let mut found = Vec::new();
    if response.status != expected.status {
        found.push(format!("status should be {}, is {}", expected.status, response.status));
    }
    for (name, rule) in &expected.headers {
        let values: Vec<_> = response.headers.iter().filter(|(header, _)| header == name).collect();
        let value = match values.as_slice() {
            [] => None,
            [(_, value)] => Some(String::from_utf8_lossy(value).into_owned()),
            _ => {
                found.push(format!("{name} occurs {} times", values.len()));
                continue;
            }
        };
        let is = value.as_deref().map_or("missing".to_owned(), |value| format!("`{value}`"));
        match (rule, value.as_deref()) {
            (Rule::Exactly(wanted), Some(value)) if value == wanted => (),
            (Rule::Absent, None) => (),
            (Rule::WholeSeconds, Some(value)) if value.parse::<u32>().is_ok_and(|seconds| seconds > 0) => (),
            (Rule::Exactly(wanted), _) => found.push(format!("{name} should be `{wanted}`, is {is}")),
            (Rule::Absent, _) => found.push(format!("{name} should be missing, is {is}")),
            (Rule::WholeSeconds, _) => found.push(format!("{name} should be whole seconds from 1, is {is}")),
        }
    }
    if response.body != expected.body.as_bytes() {
        let is = String::from_utf8_lossy(&response.body);
        found.push(format!("body should be `{}`, is `{is}`", expected.body));
    }
    if let Some(wanted) = expected.upstream_calls
        && upstream_calls != wanted
    {
        found.push(format!("calls to Kinde should be {wanted}, are {upstream_calls}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Expected {
        Expected {
            status: 503,
            headers: vec![
                ("content-type", Rule::Exactly("application/json".into())),
                ("retry-after", Rule::WholeSeconds),
                ("www-authenticate", Rule::Absent),
            ],
            body: "{}".into(),
            upstream_calls: Some(1),
        }
    }

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> RawResponse {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        RawResponse { status, headers: headers.collect(), body: body.into() }
    }

    #[test]
    fn an_answer_of_the_contract_has_no_differences() {
        let answer = response(503, &[("content-type", "application/json"), ("retry-after", "1")], "{}");
        assert_eq!(differences(&expected(), &answer, 1), Vec::<String>::new());
    }

    #[test]
    fn every_difference_is_named() {
        let headers = [("content-type", "text/plain"), ("retry-after", "0"), ("www-authenticate", "Bearer")];
        assert_eq!(
            differences(&expected(), &response(401, &headers, "{ }"), 0),
            [
                "status should be 503, is 401",
                "content-type should be `application/json`, is `text/plain`",
                "retry-after should be whole seconds from 1, is `0`",
                "www-authenticate should be missing, is `Bearer`",
                "body should be `{}`, is `{ }`",
                "calls to Kinde should be 1, are 0",
            ]
        );
    }

    #[test]
    fn a_header_that_occurs_twice_is_a_difference() {
        let headers = [
            ("content-type", "application/json"),
            ("content-type", "application/json"),
            ("retry-after", "1"),
        ];
        assert_eq!(
            differences(&expected(), &response(503, &headers, "{}"), 1),
            ["content-type occurs 2 times"]
        );
    }
}
