use super::*;
use crate::request::PlainRequest;

fn asking(headers: &[(&str, &str)]) -> PlainRequest {
    headers.iter().fold(PlainRequest::new(), |request, (name, value)| request.with_header(name, value))
}

fn header<'a>(response: &'a DenialResponse, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

/// A style whose renderer answers each denial with a page.
fn pages() -> Arc<DenialStyle> {
    let renderer = DenialRenderer::new(|denial, audience| {
        assert_eq!(denial.response().body, denial.default_body().body, "a renderer can't call itself");
        match audience.accept() {
            Some(accept) if accept.contains("text/html") => {
                DenialBody::new("text/html; charset=utf-8", format!("{}!{accept}", denial.code()))
            }
            Some("bad") => DenialBody::new("text/html\r\nset-cookie: a=b", "split"),
            _ => {
                let language = audience.accept_language().unwrap_or("none").to_owned();
                DenialBody::new("text/plain", language)
            }
        }
    });
    Arc::new(DenialStyle { renderer: Some(renderer), ..DenialStyle::default() })
}

#[test]
fn a_grpc_request_is_refused_by_trailers_alone() {
    for (denial, status, _, error, _) in contract() {
        let plain = denial.response();
        let response = denial.answering(&asking(&[("content-type", "application/grpc")])).response();
        let grpc_status = match status {
            400 => "3",
            401 => "16",
            403 => "7",
            429 => "8",
            503 => "14",
            _ => "13",
        };
        assert_eq!((response.status, response.body.as_slice()), (200, b"".as_slice()), "{error}");
        assert_eq!(header(&response, "grpc-status"), Some(grpc_status), "{error}");
        assert_eq!(header(&response, "grpc-message"), Some(error), "{error}");
        assert_eq!(header(&response, "content-type"), Some("application/grpc"));
        for (name, value) in plain.headers.iter().filter(|(name, _)| *name != "content-type") {
            assert_eq!(header(&response, name), Some(value.as_str()), "{error}");
        }
    }
}

#[test]
fn a_grpc_answer_has_the_content_type_of_its_request() {
    let answered = |content_type: &[u8]| {
        let request = PlainRequest::new().with_header("content-type", content_type);
        let response = style().missing_key().answering(&request).response();
        header(&response, "content-type").unwrap().to_owned()
    };
    for (asked, answer) in [
        ("application/grpc", "application/grpc"),
        ("Application/GRPC+Proto", "application/grpc+proto"),
        ("application/grpc-web+proto; charset=utf-8", "application/grpc-web+proto"),
        ("application/grpc\"x", "application/grpc"),
        ("application/json", "application/json"),
        ("application/grp", "application/json"),
        ("text/application/grpc", "application/json"),
        ("", "application/json"),
    ] {
        assert_eq!(answered(asked.as_bytes()), answer, "{asked}");
    }
    assert_eq!(answered(b"application/grpc+\xff"), "application/grpc");
}

#[test]
fn a_renderer_words_the_body_and_nothing_else() {
    let (styled, html) = (pages(), asking(&[("accept", "text/html"), ("accept", "a/b")]));
    for (denial, status, code, ..) in contract() {
        let plain = denial.response();
        let audience = styled.audience(&html);
        let response = denial.presented_as(&styled, audience).response();
        assert_eq!(response.body, format!("{code}!text/html, a/b").into_bytes());
        assert_eq!(header(&response, "content-type"), Some("text/html; charset=utf-8"));
        assert_eq!((response.status, &response.headers[1..]), (status, &plain.headers[1..]));
    }
}

#[test]
fn a_renderer_learns_the_language_also_without_a_request() {
    let missing =
        |headers: &[(&str, &str)]| pages().missing_key().answering(&asking(headers)).response().body;
    assert_eq!(missing(&[("accept-language", "de, en;q=0.5")]), b"de, en;q=0.5");
    assert_eq!(missing(&[]), b"none");
    assert_eq!(pages().missing_key().response().body, b"none");
}

#[test]
fn a_renderer_splits_no_header() {
    let response = pages().missing_key().answering(&asking(&[("accept", "bad")])).response();
    assert_eq!(response, style().missing_key().response());
}

#[test]
fn a_renderer_does_not_word_grpc_answers() {
    let grpc = asking(&[("content-type", "application/grpc"), ("accept", "text/html")]);
    let response = pages().missing_key().answering(&grpc).response();
    assert_eq!((response.status, response.body.len()), (200, 0));
}

proptest! {
    #[test]
    fn no_message_breaks_out_of_the_grpc_trailers(scopes in prop::collection::vec(any::<String>(), 1..4)) {
        let key = Verification::active("k");
        let shortfall = Policy::all(scopes).check(&key, true).unwrap_err();
        let denial = style().shortfall(shortfall, &key);
        let message = denial.message().into_owned();
        let response = denial.answering(&asking(&[("content-type", "application/grpc")])).response();
        let sent = header(&response, "grpc-message").unwrap();
        prop_assert!(sent.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        let decoded = percent_encoding::percent_decode_str(sent).decode_utf8().unwrap();
        prop_assert_eq!(decoded, message);
    }

    #[test]
    fn no_request_breaks_out_of_the_content_type(rest in prop::collection::vec(any::<u8>(), 0..20)) {
        let asked = [b"application/grpc".as_slice(), &rest].concat();
        let request = PlainRequest::new().with_header("content-type", asked);
        let response = style().missing_key().answering(&request).response();
        let sent = header(&response, "content-type").unwrap();
        prop_assert!(sent.starts_with("application/grpc"));
        prop_assert!(sent.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/+-.".contains(&byte)));
    }
}
