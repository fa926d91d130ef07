//! Finds the names in a source, and the lines that have code. Comments and documentation are left out.

use proc_macro2::{Group, TokenStream, TokenTree};
use std::collections::BTreeSet;

/// Every name in a source, keywords included, with its line.
pub(crate) fn names(tokens: TokenStream) -> Vec<(String, usize)> {
    let mut names = Vec::new();
    each(tokens, &mut |token| {
        if let TokenTree::Ident(name) = token {
            names.push((name.to_string(), name.span().start().line));
        }
    });
    names
}

/// The lines that have a token or a part of one.
pub(crate) fn code_lines(tokens: TokenStream) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    each(tokens, &mut |token| {
        if let TokenTree::Group(group) = token {
            lines.extend([group.span_open().start().line, group.span_close().end().line]);
        } else {
            lines.extend(token.span().start().line..=token.span().end().line);
        }
    });
    lines
}

fn each(tokens: TokenStream, see: &mut dyn FnMut(&TokenTree)) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut rest = &tokens[..];
    while let Some((token, after)) = rest.split_first() {
        if let Some(after) = after_documentation(rest) {
            rest = after;
            continue;
        }
        see(token);
        if let TokenTree::Group(group) = token {
            each(group.stream(), see);
        }
        rest = after;
    }
}

/// The tokens after `#[doc = ".."]` or `#![doc = ".."]`, if the tokens start with it. To a parser, a documentation comment
/// is such an attribute.
fn after_documentation(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    match tokens {
        [TokenTree::Punct(hash), TokenTree::Group(group), rest @ ..]
        | [TokenTree::Punct(hash), TokenTree::Punct(_), TokenTree::Group(group), rest @ ..]
            if hash.as_char() == '#' && is_documentation(group) =>
        {
            Some(rest)
        }
        _ => None,
    }
}

fn is_documentation(group: &Group) -> bool {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(name), TokenTree::Punct(_), TokenTree::Literal(_)] => name == "doc",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> TokenStream {
        text.parse().unwrap()
    }

    #[test]
    fn comments_and_blank_lines_are_no_code() {
        let text = "//! a\n\n// b\n/* c\n d */\n/// e\nfn f() {\n    // g\n\n    /** h */ 1; // i\n}\n";
        assert_eq!(code_lines(parsed(text)), BTreeSet::from([7, 10, 11]));
    }

    #[test]
    fn attributes_and_every_line_of_a_text_are_code() {
        let text = "#![deny(x)]\n#[doc(hidden)]\nconst A: &str = \"one\n\n    three\";\n";
        assert_eq!(code_lines(parsed(text)), BTreeSet::from([1, 2, 3, 4, 5]));
    }

    #[test]
    fn names_are_found_in_calls_paths_and_macros() {
        let text = "/// a\nfn b() {\n// c\nd.e(\"f\"); g::h!(i);\n}";
        let found = names(parsed(text));
        let expected = [("fn", 2), ("b", 2), ("d", 4), ("e", 4), ("g", 4), ("h", 4), ("i", 4)];
        assert_eq!(found, expected.map(|(name, line)| (name.to_owned(), line)));
    }
}
