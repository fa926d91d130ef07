//! The command line. No text here repeats an argument's value, because it may be a secret.

use std::collections::VecDeque;
use std::ffi::OsString;

const HELP: &str = "\
Checks the set-up of an API that API keys issued by Kinde protect.

Usage: apikey-check COMMAND

Commands:
  config   checks the environment, and each step on the way to Kinde

Options:
  --help     this text; after a command, what it does
  --version  the version

Exit status: 0 all is well, 1 something is wrong, 2 the command line is wrong.
";

const CONFIG_HELP: &str = "\
Checks the environment variables with which an API reaches Kinde, and each step on the way: host name, connection,
TLS, token, scope read:api_keys, verify endpoint. It stops at the first step that fails, and says what to change.

Usage: apikey-check config

It reads KINDE_DOMAIN (else KINDE_ISSUER_URL), KINDE_MANAGEMENT_CLIENT_ID and KINDE_MANAGEMENT_CLIENT_SECRET (else
KINDE_M2M_CLIENT_ID and KINDE_M2M_CLIENT_SECRET), KINDE_MANAGEMENT_AUDIENCE, and APIKEY_AUTH: none verifies without a
token. It asks for one token, and about two keys that it makes up.
";

const NO_SECRETS: &str = "\
a key or another secret is no argument: the shell keeps its commands in a history, and every user of this machine can list \
them. Take a secret that you typed there as known to others, and rotate it";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print this.
    Say(String),
    Config,
}

/// Reads the command line, without the name of the program.
///
/// # Errors
/// Says what is wrong.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut words = Words::read(arguments)?;
    match words.next() {
        Some(Word::Value(name)) => match name.as_str() {
            "config" => config(words),
            _ if looks_secret(&name) => Err(NO_SECRETS.to_owned()),
            _ => Err(unknown_command()),
        },
        Some(Word::Option(name, None)) if name == "help" => Ok(Command::Say(HELP.to_owned())),
        Some(Word::Option(name, None)) if name == "version" => {
            Ok(Command::Say(concat!("apikey-check ", env!("CARGO_PKG_VERSION")).to_owned()))
        }
        Some(other) => Err(unexpected(&other)),
        None => Err(unknown_command()),
    }
}

fn unknown_command() -> String {
    "expected the command config; try: apikey-check --help".to_owned()
}

fn config(mut words: Words) -> Result<Command, String> {
    match words.next() {
        None => Ok(Command::Config),
        Some(Word::Option(name, None)) if name == "help" => Ok(Command::Say(CONFIG_HELP.to_owned())),
        Some(other) => Err(unexpected(&other)),
    }
}

/// An argument.
enum Word {
    /// `--name` or `--name=value`.
    Option(String, Option<String>),
    Value(String),
}

struct Words(VecDeque<String>);

impl Words {
    fn read(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let words: Result<VecDeque<String>, OsString> = arguments.map(OsString::into_string).collect();
        words.map(Self).map_err(|_| "an argument is not Unicode text".to_owned())
    }

    fn next(&mut self) -> Option<Word> {
        let word = self.0.pop_front()?;
        Some(match word.strip_prefix("--") {
            None if word == "-h" => Word::Option("help".to_owned(), None),
            None => Word::Value(word),
            Some(option) => match option.split_once('=') {
                None => Word::Option(option.to_owned(), None),
                Some((name, value)) => Word::Option(name.to_owned(), Some(value.to_owned())),
            },
        })
    }
}

/// What is wrong with an argument that has no place.
fn unexpected(word: &Word) -> String {
    match word {
        Word::Option(name, _) if ["key", "secret", "token"].iter().any(|secret| name.contains(secret)) => {
            NO_SECRETS.to_owned()
        }
        Word::Option(name, _) if is_name(name) => {
            format!("--{name} is no option here, or has no value here; try --help")
        }
        Word::Value(value) if looks_secret(value) => NO_SECRETS.to_owned(),
        Word::Option(..) | Word::Value(_) => "there is an argument too many; try --help".to_owned(),
    }
}

/// Whether a word is short and simple enough to be the name of an option, and no secret.
fn is_name(word: &str) -> bool {
    word.len() <= 16 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// Whether a word may be a key: nobody types such a word for the name of a command.
fn looks_secret(word: &str) -> bool {
    word.len() > 8 && word.bytes().any(|byte| byte == b'_' || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Command, String> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn a_secret_among_the_arguments_is_refused_and_not_repeated() {
        for words in [
            ["k_live_1234567890abcdef"].as_slice(),
            &["config", "k_live_1234567890abcdef"],
            &["config", "--key=k_live_1234567890abcdef"],
            &["--client-secret", "k_live_1234567890abcdef"],
        ] {
            let mistake = read(words).unwrap_err();
            assert!(mistake.contains("history"), "{words:?}: {mistake}");
            assert!(!mistake.contains("k_live"), "{mistake}");
        }
        for words in [["secretive"].as_slice(), &["--k_live_1234567890abcdef"], &["config", "secretive"]] {
            let mistake = read(words).unwrap_err();
            assert!(!mistake.contains("secretive") && !mistake.contains("k_live"), "{mistake}");
        }
    }

    #[test]
    fn a_command_line_that_is_right_is_read() {
        assert_eq!(read(&["config"]), Ok(Command::Config));
        for words in [["--help"].as_slice(), &["-h"], &["--version"], &["config", "--help"]] {
            assert!(matches!(read(words), Ok(Command::Say(_))), "{words:?}");
        }
    }
}
