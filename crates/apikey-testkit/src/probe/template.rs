//! Templates of paths, as documents and frameworks write them.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a path must not contain as it is. `%` may be the start of an escape.
const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// Everything but the characters that RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// A parameter, with its name as far as documents write it.
    Parameter(String),
}

/// A path with parameters: `/users/{id}`. Frameworks also write `/users/<id>`, `/users/:id`, `/users/{id:[0-9]+}`,
/// `/files/{*path}` and `/files/<path..>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

impl Template {
    /// Reads every form of a parameter that a framework writes.
    pub(crate) fn of_framework(path: &str) -> Self {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Template(read(&path, |rest, starts_segment| {
            enclosed(rest, '{', '}').or_else(|| enclosed(rest, '<', '>')).or_else(|| {
                let whole_segment = starts_segment && rest.len() > 1 && rest.starts_with([':', '*']);
                whole_segment.then(|| rest.split('/').next().unwrap_or(rest))
            })
        }))
    }

    /// Reads the one form that documents write.
    pub(crate) fn of_document(path: &str) -> Self {
        Template(read(path, |rest, _| enclosed(rest, '{', '}')))
    }

    /// The template without the names of its parameters and without a query, which Rocket writes to its routes. Two
    /// routes with the same shape are the same.
    pub(crate) fn shape(&self) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Literal(text) => text.as_str(),
            Part::Parameter(_) => "{}",
        });
        let shape: String = parts.collect();
        shape.split('?').next().unwrap_or_default().to_owned()
    }

    pub(crate) fn has_parameters(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Parameter(_)))
    }

    /// The path with values for its parameters, encoded for a URL.
    pub(crate) fn filled(&self, value: impl Fn(&str) -> Option<String>) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Literal(text) => utf8_percent_encode(text, NOT_IN_PATH).to_string(),
            // An empty value would make another path.
            Part::Parameter(name) => {
                let value = value(name).filter(|value| !value.is_empty());
                encoded(&value.unwrap_or_else(|| "1".to_owned()))
            }
        });
        parts.collect()
    }
}

/// Encodes text for a part of a URL between its delimiters.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Splits a path. `parameter` returns the parameter with which the rest of the path starts, if any.
fn read<'a>(path: &'a str, parameter: impl Fn(&'a str, bool) -> Option<&'a str>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = path;
    while let Some(next) = rest.chars().next() {
        if let Some(found) = parameter(rest, literal.ends_with('/')) {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            let delimiters = ['{', '}', '<', '>', ':', '*'];
            parts.push(Part::Parameter(found.trim_matches(delimiters).to_owned()));
            rest = rest.strip_prefix(found).unwrap_or_default();
        } else {
            literal.push(next);
            rest = rest.strip_prefix(next).unwrap_or_default();
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    parts
}

/// The start of the text up to the delimiter that closes its first character. A regular expression may contain pairs.
fn enclosed(text: &str, open: char, close: char) -> Option<&str> {
    if !text.starts_with(open) {
        return None;
    }
    let mut depth = 0_usize;
    for (index, letter) in text.char_indices() {
        if letter == open {
            depth += 1;
        } else if letter == close {
            depth -= 1;
            if depth == 0 {
                return text.get(..index + close.len_utf8());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frameworks_parameters_have_one_shape() {
        for (path, shape) in [
            ("/users/{id}", "/users/{}"),
            ("/users/<id>", "/users/{}"),
            ("/users/<int:id>", "/users/{}"),
            ("/users/:id", "/users/{}"),
            ("/users/:id/posts", "/users/{}/posts"),
            (r"/users/{id:\d{2}/?}", "/users/{}"),
            ("/files/{*rest}", "/files/{}"),
            ("/files/<rest..>", "/files/{}"),
            ("/files/*rest", "/files/{}"),
            ("/files/{name}.{type}", "/files/{}.{}"),
            ("/search?<text>&page", "/search"),
            ("/jobs:cancel", "/jobs:cancel"),
            ("/a*b/:", "/a*b/:"),
            ("/{open", "/{open"),
            ("", "/"),
            ("/", "/"),
            ("/users/", "/users/"),
        ] {
            assert_eq!(Template::of_framework(path).shape(), shape, "{path}");
        }
    }

    #[test]
    fn a_document_knows_only_braces() {
        assert_eq!(Template::of_document("/a/{b}/:c/<d>?e=f").shape(), "/a/{}/:c/<d>");
    }

    #[test]
    fn a_filled_path_is_one_of_a_url() {
        let template = Template::of_document("/a ü/{b}/{c}/{d}");
        assert!(template.has_parameters());
        let value =
            |name: &str| (name != "c").then(|| if name == "b" { "x/y?".to_owned() } else { String::new() });
        assert_eq!(template.filled(value), "/a%20%C3%BC/x%2Fy%3F/1/1");
    }
}
