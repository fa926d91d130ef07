//! The names of keys and of channels in the server.

use apikey_core::fleet::Name;

/// Begins every name.
pub(crate) struct Prefix(pub(crate) String);

impl Prefix {
    pub(crate) fn entry(&self, name: &Name) -> Vec<u8> {
        self.named("entry", name).into_bytes()
    }

    pub(crate) fn window(&self, name: &Name) -> Vec<u8> {
        self.named("window", name).into_bytes()
    }

    pub(crate) fn log(&self, name: &Name) -> Vec<u8> {
        self.named("log", name).into_bytes()
    }

    /// The channel of hints about a log.
    pub(crate) fn hints(&self, log: &Name) -> String {
        self.named("hints", log)
    }

    fn named(&self, kind: &str, Name(bytes): &Name) -> String {
        format!("{}{kind}:{:032x}", self.0, u128::from_be_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_names_of_its_own() {
        let prefix = Prefix("apikey:".to_owned());
        let mut name = Name([0; 16]);
        name.0[0] = 0x0a;
        name.0[15] = 0xff;
        assert_eq!(prefix.entry(&name), b"apikey:entry:0a0000000000000000000000000000ff");
        assert_eq!(prefix.window(&name), b"apikey:window:0a0000000000000000000000000000ff");
        assert_eq!(prefix.log(&name), b"apikey:log:0a0000000000000000000000000000ff");
        assert_eq!(prefix.hints(&name), "apikey:hints:0a0000000000000000000000000000ff");
    }
}
