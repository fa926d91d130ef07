//! The checks of the fuzz targets in `fuzz/`, and tests that run their corpora through the same checks.
//!
//! Each check takes any bytes, reads an input of its own format from them, and panics if a promise is broken. It
//! finds out what is expected in another way than the code under test.

#![allow(clippy::expect_used, clippy::panic, reason = "a broken promise has to panic here")]

#[cfg(feature = "kinde")]
mod answers;
mod extraction;
#[cfg(feature = "fleet")]
mod fleet;
mod forwarding;
#[cfg(feature = "webhooks")]
mod webhooks;

#[cfg(feature = "kinde")]
pub use answers::answers;
pub use extraction::extraction;
#[cfg(feature = "fleet")]
pub use fleet::fleet;
pub use forwarding::forwarding;
#[cfg(feature = "webhooks")]
pub use webhooks::webhooks;

/// The lines of an input. A header line can't hold a line feed, so line feeds can end lines without loss.
fn lines(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.split(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    /// Runs every file of a target's corpus through the target's check.
    fn run(target: &str, check: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let mut files = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            check(&std::fs::read(path).unwrap());
            files += 1;
        }
        assert!(files > 0, "{} holds no corpus", folder.display());
    }

    #[test]
    fn the_corpus_of_extraction_keeps_the_promises() {
        run("extraction", super::extraction);
    }

    #[cfg(feature = "kinde")]
    #[test]
    fn the_corpus_of_answers_keeps_the_promises() {
        run("answers", super::answers);
    }

    #[test]
    fn the_corpus_of_forwarding_keeps_the_promises() {
        run("forwarding", super::forwarding);
    }

    #[cfg(feature = "fleet")]
    #[test]
    fn the_corpus_of_fleet_keeps_the_promises() {
        run("fleet", super::fleet);
    }

    #[cfg(feature = "webhooks")]
    #[test]
    fn the_corpus_of_webhooks_keeps_the_promises() {
        run("webhooks", super::webhooks);
    }

    /// A text that is a key, or nearly.
    const TEXT: &str = "(a|b|a_|eyJ|me)[a1.:=]{0,3}[ ,\u{e9}]?";

    fn in_base64(text: &str, url: bool) -> String {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        if url { URL_SAFE_NO_PAD.encode(text) } else { STANDARD.encode(text) }
    }

    fn lines_of_requests() -> impl Strategy<Value = Vec<String>> {
        let location = "\\+(bearer|scheme Token|basic|password|header authorization|header x|header x Bearer\
                        |protocol|query q)";
        let value = prop_oneof![
            "(Bearer|bearer|Token|Digest|Basic)[ \t]{0,2}"
                .prop_flat_map(|scheme| { TEXT.prop_map(move |text| format!("{scheme}{text}")) }),
            (TEXT, "(me)?:?", any::<bool>(), "[=!]?").prop_map(|(text, other, after, end)| {
                let credentials = if after { format!("{other}{text}") } else { format!("{text}{other}") };
                format!("Basic {}{end}", in_base64(&credentials, false))
            }),
            TEXT,
        ];
        let member = prop_oneof![
            Just("apikey".to_owned()),
            "[a-b]{0,2}",
            (TEXT, "[=!A]?")
                .prop_map(|(text, end)| format!("base64url.apikey.{}{end}", in_base64(&text, true))),
        ];
        let list = prop::collection::vec(member, 0..4).prop_map(|members| members.join(", "));
        let line = prop_oneof![
            3 => location,
            2 => Just("^a".to_owned()),
            2 => Just("!".to_owned()),
            1 => "\\?(q=(a|b|%61|%62)[1%=]{0,2}&?){0,2}",
            4 => ("(authorization|x)", value).prop_map(|(name, value)| format!("{name}:{value}")),
            2 => list.prop_map(|list| format!("sec-websocket-protocol:{list}")),
        ];
        prop::collection::vec(line, 1..9)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn generated_requests_keep_the_promises_of_extraction(lines in lines_of_requests()) {
            super::extraction(lines.join("\n").as_bytes());
        }
    }
}
