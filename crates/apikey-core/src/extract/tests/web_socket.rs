//! A key among the protocols that a WebSocket's client offers.

use super::*;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

fn of_lines(lines: &[&[u8]]) -> Result<Option<String>, Malformed> {
    let with_line = |request: PlainRequest, line: &&[u8]| request.with_header("Sec-WebSocket-Protocol", line);
    extract(&[CredentialSource::web_socket_protocol()], &lines.iter().fold(PlainRequest::new(), with_line))
}

fn of(line: impl AsRef<[u8]>) -> Result<Option<String>, Malformed> {
    of_lines(&[line.as_ref()])
}

/// The member that presents this text.
fn member(text: impl AsRef<[u8]>) -> String {
    format!("base64url.apikey.{}", URL_SAFE_NO_PAD.encode(text))
}

#[test]
fn a_list_with_a_key_presents_it() {
    let member = member("k_live_1");
    assert_eq!(member, "base64url.apikey.a19saXZlXzE");
    for line in [
        format!("apikey, {member}"),
        format!("{member}, apikey"),
        format!("apikey,{member}"),
        format!(" ,\t, apikey \t,, chat.v2, {member} , ,"),
        format!("apikey, apikey, {member}"),
    ] {
        assert_eq!(of(&line), key("k_live_1"), "{line:?}");
    }
}

#[test]
fn several_lines_are_one_list() {
    let member = member("k_live_1");
    assert_eq!(of_lines(&[b"chat", member.as_bytes(), b"", b"apikey"]), key("k_live_1"));
    assert_eq!(of_lines(&[b"chat", b"apikey"]), Ok(None));
    assert_eq!(of_lines(&[member.as_bytes(), member.as_bytes()]), SEVERAL);
}

#[test]
fn a_list_without_a_key_presents_nothing() {
    for line in [
        "",
        ",",
        "apikey",
        "chat, apikey",
        "base64url.bearer.authorization.k8s.io.a19saXZlXzE, apikey",
        "base64url.apikey, apikey",
        "Base64url.apikey.a19saXZlXzE, apikey",
        "base64url.apikeya19saXZlXzE, apikey",
        "x base64url.apikey.a19saXZlXzE, apikey",
    ] {
        assert_eq!(of(line), Ok(None), "{line:?}");
    }
    assert_eq!(of(b"\xff, apikey"), Ok(None));
    assert_eq!(of_lines(&[]), Ok(None));
}

#[test]
fn two_keys_in_a_list_are_refused() {
    let (one, other) = (member("k_live_1"), member("k_live_2"));
    for second in [one.as_str(), &other, "base64url.apikey.", "base64url.apikey.!"] {
        assert_eq!(of(format!("apikey, {one}, {second}")), SEVERAL);
        assert_eq!(of(format!("{second}, {one}")), SEVERAL);
    }
}

#[test]
fn a_key_that_no_reply_can_name_is_malformed() {
    let member = member("k_live_1");
    for others in ["", "chat", "APIKEY", "apikey.v1", "api key"] {
        assert_eq!(of(format!("{member}, {others}")), MALFORMED, "{others:?}");
    }
}

#[test]
fn a_member_that_is_not_exactly_one_key_is_malformed() {
    let with_length = |length: usize| member("k".repeat(length));
    for text in [
        "base64url.apikey.".to_owned(),
        "base64url.apikey.a".to_owned(),
        // Padding, another alphabet, text behind the key, and bits that no encoder leaves set.
        "base64url.apikey.azE=".to_owned(),
        "base64url.apikey.a+E/".to_owned(),
        "base64url.apikey.azE.x".to_owned(),
        "base64url.apikey.azE x".to_owned(),
        "base64url.apikey.azF".to_owned(),
        member("two words"),
        member("k\u{e9}"),
        member("k\0"),
        member([0xff]),
        with_length(513),
        with_length(20_000),
    ] {
        assert_eq!(of(format!("apikey, {text}")), MALFORMED, "{text:?}");
    }
    assert_eq!(of("apikey, base64url.apikey.azE"), key("k1"));
    assert_eq!(of("apikey, base64url.apikey.aw"), key("k"));
    assert_eq!(of(format!("apikey, {}", with_length(512))), key(&"k".repeat(512)));
    assert_eq!(of(b"apikey, base64url.apikey.\xff"), MALFORMED);
}

#[test]
fn a_key_in_another_place_is_a_second_one() {
    let sources = [CredentialSource::bearer(), CredentialSource::web_socket_protocol()];
    let both = |value: &str| {
        let request = with_header("authorization", "Bearer k1");
        extract(&sources, &request.with_header("sec-websocket-protocol", value))
    };
    assert_eq!(both("apikey, base64url.apikey.azE"), SEVERAL);
    assert_eq!(both("apikey, base64url.apikey.!"), SEVERAL);
    assert_eq!(both("apikey, chat"), key("k1"));
}

proptest! {
    #[test]
    fn every_key_survives_the_encoding(
        presented in "[A-Za-z0-9._~+/-]{1,509}={0,3}",
        spaces in "[ \t]{0,3}",
        others in "([a-z0-9.]{0,8}[ \t]{0,2},){0,3}",
    ) {
        let line = format!("{others}{spaces}{},{spaces}apikey", member(&presented));
        prop_assert_eq!(of(line), key(&presented));
    }

    /// The list is read in another way: as text, with the encoder in place of the decoder.
    #[test]
    fn a_list_is_read_as_the_grammar_says(
        members in prop::collection::vec(
            prop_oneof![
                Just("apikey".to_owned()),
                "[a-b]{0,2}",
                "base64url\\.apikey\\.[A-Da-d_=+-]{0,5}",
                "[a-f!=~]{1,3}".prop_map(member),
            ],
            0..5,
        ),
        spaces in prop::collection::vec("[ \t]{0,2}", 5),
        break_after in 0..6_usize,
    ) {
        let mut lines = vec![String::new()];
        for (number, (member, spaces)) in members.iter().zip(&spaces).enumerate() {
            let line = lines.last_mut().unwrap();
            line.push_str(&format!("{spaces}{member}{spaces}"));
            if number == break_after { lines.push(String::new()) } else { line.push(',') }
        }
        let encoded: Vec<&str> =
            members.iter().filter_map(|member| member.strip_prefix("base64url.apikey.")).collect();
        let expected = match encoded.as_slice() {
            [] => Ok(None),
            [encoded] => {
                let text = URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default();
                let text = String::from_utf8(text).unwrap_or_default();
                let body = text.trim_end_matches('=');
                let is_key = !body.is_empty()
                    && body.chars().all(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c))
                    && URL_SAFE_NO_PAD.encode(&text) == *encoded;
                if is_key && members.iter().any(|member| member == "apikey") { key(&text) } else { MALFORMED }
            }
            _ => SEVERAL,
        };
        let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
        prop_assert_eq!(of_lines(&lines), expected);
    }
}
