//! Searches bytes for words that must not be in them, however they are written.

use std::collections::HashMap;

use apikey_testkit::servers::{Reply, StoreServer};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Every form of a word is searched by its first bytes. Shorter words can't be searched.
const FIRST: usize = 8;

/// The words, in all their forms.
#[derive(Debug, Default)]
pub(crate) struct Needles {
    forms: HashMap<[u8; FIRST], Vec<(Vec<u8>, String)>>,
    words: usize,
}

impl Needles {
    /// Adds a word in clear, in hexadecimal digits, and in base64, wherever it stands in what was encoded.
    pub(crate) fn add(&mut self, word: &str) {
        self.words += 1;
        let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut forms = vec![word.as_bytes().to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
        for before in 0..3 {
            let padded = [&vec![0; before][..], word.as_bytes()].concat();
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                // The first and the last letter depend on the neighbours.
                let text = engine.encode(&padded).into_bytes();
                let first = (before * 8).div_ceil(6);
                let last = padded.len() * 8 / 6;
                forms.push(text[first..last].to_vec());
            }
        }
        for form in forms {
            if let Some(first) = form.first_chunk::<FIRST>() {
                self.forms.entry(*first).or_default().push((form, word.to_owned()));
            }
        }
    }

    /// How many words there are.
    pub(crate) fn words(&self) -> usize {
        self.words
    }

    /// The words that are in these bytes.
    pub(crate) fn find(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for at in 0..bytes.len() {
            let rest = &bytes[at..];
            let Some(forms) = rest.first_chunk::<FIRST>().and_then(|first| self.forms.get(first)) else {
                continue;
            };
            found.extend(
                forms.iter().filter(|(form, _)| rest.starts_with(form)).map(|(_, word)| word.clone()),
            );
        }
        found.sort();
        found.dedup();
        found
    }
}

/// Every name and every value in a server.
pub(crate) fn read_store(store: &StoreServer) -> Result<Vec<u8>, String> {
    let names = store.command(&["KEYS", "*"]).list().unwrap_or_default();
    let mut bytes = Vec::new();
    for name in names {
        let Reply::Bytes(name) = name else { continue };
        bytes.extend(&name);
        let command: &[&[u8]] = match store.try_command(&[b"TYPE", &name]).map(|kind| kind.text()) {
            Ok(Some(kind)) if kind == "stream" => &[b"XRANGE", &name, b"-", b"+"],
            Ok(Some(kind)) if kind == "string" => &[b"GET", &name],
            _ => &[b"DUMP", &name],
        };
        flatten(store.try_command(command).map_err(|error| error.to_string())?, &mut bytes);
    }
    Ok(bytes)
}

fn flatten(reply: Reply, bytes: &mut Vec<u8>) {
    match reply {
        Reply::Bytes(value) => bytes.extend(value),
        Reply::List(list) => list.into_iter().for_each(|reply| flatten(reply, bytes)),
        Reply::Nothing | Reply::Number(_) | Reply::Error(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_every_form() {
        let mut needles = Needles::default();
        needles.add("read:users");
        let found = |bytes: &[u8]| needles.find(bytes) == ["read:users"];
        assert!(found(b"x read:users y"));
        assert!(found(b"..726561643a7573657273.."));
        assert!(found(b"..726561643A7573657273.."));
        for text in ["read:users", "-read:users", "--read:users-", "a longer text read:users and more"] {
            assert!(found(STANDARD_NO_PAD.encode(text).as_bytes()), "{text}");
            assert!(found(URL_SAFE_NO_PAD.encode(text).as_bytes()), "{text}");
        }
        assert!(!found(b"read users"));
        assert_eq!(needles.words(), 1);
    }

    #[test]
    fn everything_in_a_server_is_read() {
        let server = StoreServer::start(apikey_testkit::servers::Product::Redis, &[]);
        server.command(&["SET", "a name", "a value"]);
        server.command(&["XADD", "a log", "*", "field", "a record"]);
        server.command(&["HSET", "others", "field", "something else"]);
        let bytes = read_store(&server).unwrap();
        for word in ["a name", "a value", "a log", "a record", "something else"] {
            assert!(bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
        }
    }
}
