//! The list of the routes that a server has.

use std::path::Path;

/// Reads a file with a method and a path in each line. Empty lines, and lines that begin with `#`, are left out.
///
/// # Errors
/// Says what is wrong, with the number of the line.
pub(super) fn read(file: &Path) -> Result<Vec<(String, String)>, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("the list of routes can't be read: {error}"))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
    let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(line, number)| match line.split_once(char::is_whitespace) {
            Some((method, path))
                if path.trim_start().starts_with('/')
                    && method.bytes().all(|byte| byte.is_ascii_alphabetic()) =>
            {
                Ok((method.to_owned(), path.trim_start().to_owned()))
            }
            _ => Err(format!(
                "line {number} of the list of routes is no method and path, such as `GET /users/{{id}}`"
            )),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_routes_has_a_method_and_a_path_in_each_line() {
        let routes = parse("# all\nGET /users/{id}\n\n  post\t/users/<rest..> \n").unwrap();
        let routes: Vec<(&str, &str)> = routes.iter().map(|(method, path)| (&**method, &**path)).collect();
        assert_eq!(routes, [("GET", "/users/{id}"), ("post", "/users/<rest..>")]);
        for wrong in ["GET", "/users", "GET users", "GET, /users"] {
            let error = parse(&format!("GET /\n{wrong}")).unwrap_err();
            assert!(error.contains("line 2"), "{error}");
        }
    }
}
