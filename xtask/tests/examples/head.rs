//! Reads the head of an example: the command that starts it, the curl lines, and the answers that it shows for them.

use crate::answer::Answer;

/// The head of an example.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The command that starts the example.
    pub(crate) start: String,
    pub(crate) exchanges: Vec<Exchange>,
}

/// One curl line and the answer to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// The line of the file.
    pub(crate) line: usize,
    pub(crate) curl: String,
    pub(crate) shown: Answer,
}

impl Head {
    /// Reads the commands in the ```` ```console ```` blocks at the start of a source. The first one starts the example.
    /// Every other one is a curl line with its answer. An error says what is wrong.
    pub(crate) fn read(source: &str) -> Result<Self, String> {
        let mut commands = commands(source).into_iter();
        let Some(start) = commands.next() else { return Err("the head has no command".to_owned()) };
        let exchanges: Vec<Exchange> = commands.map(Exchange::read).collect::<Result<_, _>>()?;
        if exchanges.is_empty() {
            return Err("the head has no curl line".to_owned());
        }
        Ok(Self { start: start.text, exchanges })
    }
}

impl Exchange {
    fn read(command: Command) -> Result<Self, String> {
        let Command { line, text, output } = command;
        if !text.starts_with("curl -i ") {
            return Err(format!("line {line}: expected a line with `curl -i`, but not `{text}`"));
        }
        let shown = Answer::read(output.trim_end());
        let shown = shown.ok_or_else(|| format!("line {line}: `{text}` has no answer"))?;
        Ok(Self { line, curl: text, shown })
    }
}

/// A line that starts with `$`, and the lines below it.
struct Command {
    line: usize,
    text: String,
    output: String,
}

fn commands(source: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut in_console = false;
    for (index, line) in source.lines().enumerate() {
        let Some(line) = line.strip_prefix("//!") else { break };
        let line = line.strip_prefix(' ').unwrap_or(line);
        if line.starts_with("```") {
            in_console = line == "```console";
        } else if !in_console {
            continue;
        } else if let Some(text) = line.strip_prefix("$ ") {
            commands.push(Command { line: index + 1, text: text.to_owned(), output: String::new() });
        } else if let Some(command) = commands.last_mut() {
            command.output += line;
            command.output.push('\n');
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "//! Words.\n//!\n//! ```console\n//! $ cargo run\n//!\n";

    #[test]
    fn a_head_is_read_up_to_the_code() {
        let curl =
            "//! $ curl -i http://a/\n//! HTTP/1.1 200 OK\n//! a: b\n//!\n//! one\n//!\n//! two\n//!\n";
        let more = "//! ```\n//! $ no command\n//! ```console\n//! $ curl -i http://b/\n//! HTTP/1.1 204 No Content\n//! ```\n";
        let head =
            Head::read(&format!("{START}{curl}{more}fn main() {{}}\n//! ```console\n//! $ curl\n")).unwrap();
        let exchange = |line, curl: &str, shown: &str| Exchange {
            line,
            curl: curl.to_owned(),
            shown: Answer::read(shown).unwrap(),
        };
        let first = exchange(6, "curl -i http://a/", "HTTP/1.1 200 OK\na: b\n\none\n\ntwo");
        let second = exchange(17, "curl -i http://b/", "HTTP/1.1 204 No Content");
        assert_eq!(head, Head { start: "cargo run".to_owned(), exchanges: vec![first, second] });
    }

    #[test]
    fn a_head_without_a_curl_line_is_an_error() {
        assert_eq!(Head::read("fn main() {}").unwrap_err(), "the head has no command");
        assert_eq!(Head::read(START).unwrap_err(), "the head has no curl line");
    }

    #[test]
    fn a_curl_line_without_an_answer_is_an_error() {
        let head = Head::read(&format!("{START}//! $ curl -i http://a/\n//! ```\n"));
        assert_eq!(head.unwrap_err(), "line 6: `curl -i http://a/` has no answer");
    }

    #[test]
    fn another_program_than_curl_is_an_error() {
        let head = Head::read(&format!("{START}//! $ wget http://a/\n"));
        assert!(head.unwrap_err().contains("but not `wget http://a/`"));
    }
}
