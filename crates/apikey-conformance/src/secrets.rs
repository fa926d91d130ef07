//! What no denial may reveal.

use apikey_testkit::emulator::Emulator;

use crate::key::Key;

/// The secrets of the server under test.
pub(crate) struct Secrets<'a> {
    emulator: &'a Emulator,
    keys: Vec<&'a str>,
}

impl<'a> Secrets<'a> {
    pub(crate) fn new(emulator: &'a Emulator, keys: &[&'a Key]) -> Self {
        Self { emulator, keys: keys.iter().map(|key| key.secret.as_str()).collect() }
    }

    /// All of them, with the tokens that the emulator has issued so far.
    pub(crate) fn all(&self) -> Vec<Vec<u8>> {
        let mut secrets = vec![
            self.emulator.client_id().to_owned(),
            self.emulator.client_secret().to_owned(),
            self.emulator.address().to_string(),
        ];
        secrets.extend(self.emulator.issued_tokens());
        secrets.extend(self.keys.iter().map(|&key| key.to_owned()));
        secrets.into_iter().map(String::into_bytes).collect()
    }
}
