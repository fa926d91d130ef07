//! An answer as `curl -i` prints it.

/// A status line, headers and a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    status: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    /// Reads an answer, or the part of one that a head shows: the status line, some of its headers, and after an empty
    /// line the body. `None` if it is not HTTP.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let parts = text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n"));
        let (head, body) = parts.unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines.next().filter(|line| line.starts_with("HTTP/"))?.to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Some(Self { status, headers: lines.map(header).collect::<Option<_>>()?, body: body.to_owned() })
    }

    /// What is not as it is shown. Status line and body must be the same to the byte. Headers that are not shown do not
    /// matter.
    pub(crate) fn differences(&self, shown: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        if self.status != shown.status {
            differences.push(format!("the status line is {:?} and not {:?}", self.status, shown.status));
        }
        for (name, value) in &shown.headers {
            let values = self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
            let values: Vec<&String> = values.collect();
            if values != [value] {
                differences.push(format!("the header {name} is {values:?} and not {value:?}"));
            }
        }
        if self.body != shown.body {
            differences.push(format!("the body is {:?} and not {:?}", self.body, shown.body));
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "HTTP/1.1 401 Unauthorized\r\nA: b\r\nc: d\r\n\r\n{}\n\n";

    fn differences(shown: &str) -> Vec<String> {
        Answer::read(PRINTED).unwrap().differences(&Answer::read(shown).unwrap())
    }

    #[test]
    fn headers_may_be_left_out() {
        assert_eq!(differences("HTTP/1.1 401 Unauthorized\n\n{}\n\n"), [""; 0]);
        assert_eq!(differences("HTTP/1.1 401 Unauthorized\na: b\n\n{}\n\n"), [""; 0]);
    }

    #[test]
    fn every_other_difference_is_told() {
        let shown = "HTTP/1.1 401 Not Authorized\na: c\nx: y\n\n{}";
        assert_eq!(
            differences(shown),
            [
                r#"the status line is "HTTP/1.1 401 Unauthorized" and not "HTTP/1.1 401 Not Authorized""#,
                r#"the header a is ["b"] and not "c""#,
                r#"the header x is [] and not "y""#,
                r#"the body is "{}\n\n" and not "{}""#,
            ]
        );
    }

    #[test]
    fn words_that_are_not_http_are_no_answer() {
        for text in ["", "curl: (7) Failed to connect", "HTTP/1.1 200 OK\nno header\n\nbody"] {
            assert_eq!(Answer::read(text), None);
        }
    }
}
