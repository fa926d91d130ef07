//! The command line. No text here repeats an argument's value, because it may be a secret.

use std::collections::VecDeque;
use std::ffi::OsString;

use crate::key::{Owner, Requirement};
use crate::openapi::Task;

const HELP: &str = "\
Checks the set-up of an API that API keys issued by Kinde protect.

Usage: apikey-check COMMAND

Commands:
  config   checks the environment, and each step on the way to Kinde
  key      tells what an API with this environment decides about a key
  openapi  probes a running server against its OpenAPI document
  tenant   asks Kinde what its documentation leaves open, and prints an anonymous record

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

const KEY_HELP: &str = "\
Tells what an API with this environment decides about a key: status, code and message of a refusal, and what Kinde says
of the key. It takes the key from standard input, or from a prompt that does not show it.

Usage: apikey-check key [--scopes SCOPE,SCOPE...] [--any-of] [--owner organization|user]

Options:
  --scopes SCOPE,...  the scopes that the route asks for; the key needs all of them
  --any-of            one of the scopes is enough
  --owner KIND        the route takes only keys of organizations, or only keys of users

Exit status: 0 the key is let in, 1 it is not, 2 the command line is wrong.
";

const OPENAPI_HELP: &str = "\
Probes a running server against its OpenAPI document: whether each operation is guarded as the document says.
It calls every operation, also those that delete, so the server must have a loopback address.

Usage: apikey-check openapi URL [OPTIONS] [-- COMMAND ARGUMENT...]
       apikey-check openapi FILE --server http://HOST:PORT [OPTIONS] [-- COMMAND ARGUMENT...]

It starts an emulator of Kinde. COMMAND is started with the environment that points at it, and ended afterwards. Without
COMMAND, the environment is printed, and the server must be started with it within 10 minutes.

Options:
  --server URL          the server, if the document is a file
  --kinde ADDRESS:PORT  where the emulator listens, with the same credentials each time [default: a free port]
  --routes FILE         the routes that the server has, with a method and a path in each line, so that those which the
                        document lacks are found

Exit status: 0 no finding, 1 findings or nothing probed, 2 the command line is wrong.
";

const TENANT_HELP: &str = "\
Asks Kinde what its documentation leaves open: how it answers for unknown, malformed, inactive and revoked keys, and
without a token. It prints a record of the answers that holds no secret, name, id or host of yours.

Usage: apikey-check tenant

Make a key for this, and throw it away afterwards. The program reads it from standard input or from a prompt, and then
asks you to make it inactive and to revoke it. Each of these steps can be skipped: answer s, or end the input.

It asks for two tokens. If KINDE_CHECK_CLIENT_ID and KINDE_CHECK_CLIENT_SECRET are set, to a machine-to-machine application
without the scope read:api_keys, it asks with its token, too.
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
    Key(Requirement),
    OpenApi(Task),
    Tenant,
}

/// Reads the command line, without the name of the program.
///
/// # Errors
/// Says what is wrong.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut words = Words::read(arguments)?;
    match words.next() {
        Some(Word::Value(name)) => match name.as_str() {
            "config" => alone(words, Command::Config, CONFIG_HELP),
            "tenant" => alone(words, Command::Tenant, TENANT_HELP),
            "key" => key(words),
            "openapi" => openapi(words),
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
    "expected a command: config, key, openapi or tenant; try: apikey-check --help".to_owned()
}

/// Reads what follows a command without options.
fn alone(mut words: Words, command: Command, help: &str) -> Result<Command, String> {
    match words.next() {
        None => Ok(command),
        Some(Word::Option(name, None)) if name == "help" => Ok(Command::Say(help.to_owned())),
        Some(other) => Err(unexpected(&other)),
    }
}

fn key(mut words: Words) -> Result<Command, String> {
    let mut requirement = Requirement::default();
    while let Some(word) = words.next() {
        match word {
            Word::Option(name, value) if name == "scopes" => {
                let scopes = words.value(&name, value)?;
                requirement.scopes = scopes.split(',').map(|scope| scope.trim().to_owned()).collect();
                if requirement.scopes.iter().any(String::is_empty) {
                    return Err("--scopes needs scopes with commas between them".to_owned());
                }
            }
            Word::Option(name, None) if name == "any-of" => requirement.any_of = true,
            Word::Option(name, value) if name == "owner" => {
                requirement.owner = Some(match words.value(&name, value)?.as_str() {
                    "organization" => Owner::Organization,
                    "user" => Owner::User,
                    _ => return Err("--owner needs organization or user".to_owned()),
                });
            }
            Word::Option(name, None) if name == "help" => return Ok(Command::Say(KEY_HELP.to_owned())),
            other => return Err(unexpected(&other)),
        }
    }
    if requirement.any_of && requirement.scopes.is_empty() {
        return Err("--any-of needs --scopes".to_owned());
    }
    Ok(Command::Key(requirement))
}

fn openapi(mut words: Words) -> Result<Command, String> {
    let mut task = Task::default();
    while let Some(word) = words.next() {
        match word {
            // All after `--` is the command.
            Word::Option(name, None) if name.is_empty() => {
                task.command = words.0.drain(..).collect();
                if task.command.is_empty() {
                    return Err("expected a command after --".to_owned());
                }
            }
            Word::Option(name, value) if name == "server" => task.server = Some(words.value(&name, value)?),
            Word::Option(name, value) if name == "routes" => {
                task.routes = Some(words.value(&name, value)?.into());
            }
            Word::Option(name, value) if name == "kinde" => {
                let address = words.value(&name, value)?.parse();
                task.kinde =
                    Some(address.map_err(|_| "--kinde needs an address and a port, such as 127.0.0.1:4010")?);
            }
            Word::Option(name, None) if name == "help" => return Ok(Command::Say(OPENAPI_HELP.to_owned())),
            Word::Value(document) if task.document.is_empty() && !document.is_empty() => {
                task.document = document
            }
            other => return Err(unexpected(&other)),
        }
    }
    if task.document.is_empty() {
        return Err("expected the URL of the document, or a file; try --help".to_owned());
    }
    Ok(Command::OpenApi(task))
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

    /// The value of an option: the one after `=`, or the next word.
    fn value(&mut self, name: &str, inline: Option<String>) -> Result<String, String> {
        inline.or_else(|| self.0.pop_front()).ok_or_else(|| format!("--{name} needs a value; try --help"))
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
            &["key", "k_live_1234567890abcdef"],
            &["key", "--scopes", "a", "k_live_1234567890abcdef"],
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
    fn a_command_line_that_is_half_written_is_refused() {
        for words in [
            ["key", "--scopes"].as_slice(),
            &["key", "--scopes", ""],
            &["key", "--scopes=a,,b"],
            &["key", "--any-of"],
            &["key", "--any-of=yes", "--scopes=a"],
            &["key", "--owner", "nobody"],
            &["openapi"],
            &["openapi", "a", "b"],
            &["openapi", "a", "--"],
            &["openapi", "a", "--kinde", "here"],
            &["tenant", "--"],
        ] {
            assert!(read(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_command_line_that_is_right_is_read() {
        assert_eq!(read(&["config"]), Ok(Command::Config));
        assert_eq!(read(&["tenant"]), Ok(Command::Tenant));
        let requirement = |scopes: &[&str], any_of, owner| {
            let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            Ok(Command::Key(Requirement { scopes, any_of, owner }))
        };
        assert_eq!(read(&["key"]), requirement(&[], false, None));
        let all = ["key", "--scopes", "read:a, b", "--owner=user"];
        assert_eq!(read(&all), requirement(&["read:a", "b"], false, Some(Owner::User)));
        let any = ["key", "--any-of", "--scopes=a,b", "--owner", "organization"];
        assert_eq!(read(&any), requirement(&["a", "b"], true, Some(Owner::Organization)));
        let document = "http://127.0.0.1:3000/openapi.json";
        let task = |command: &[&str]| Task {
            document: document.to_owned(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            ..Task::default()
        };
        assert_eq!(read(&["openapi", document]), Ok(Command::OpenApi(task(&[]))));
        let with_command = ["openapi", document, "--", "run", "--help", "--", "key"];
        assert_eq!(read(&with_command), Ok(Command::OpenApi(task(&["run", "--help", "--", "key"]))));
        let all = ["openapi", "--kinde=127.0.0.1:4010", document, "--routes", "r", "--server", "s"];
        let kinde = Some(([127, 0, 0, 1], 4010).into());
        let (server, routes) = (Some("s".to_owned()), Some("r".into()));
        assert_eq!(read(&all), Ok(Command::OpenApi(Task { kinde, server, routes, ..task(&[]) })));
        for words in [["--help"].as_slice(), &["-h"], &["--version"], &["config", "--help"]] {
            assert!(matches!(read(words), Ok(Command::Say(_))), "{words:?}");
        }
    }
}
