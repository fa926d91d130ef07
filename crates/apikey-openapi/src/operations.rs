//! The operations of a path.

use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

/// The method and the path of every operation in a document.
#[must_use]
pub fn documented(document: &OpenApi) -> Vec<(String, String)> {
    let paths = document.paths.paths.iter();
    let of_path = |(path, item): (&String, &PathItem)| {
        let mut item = item.clone();
        of(&mut item).map(|(method, _)| (method, path.clone())).collect::<Vec<_>>()
    };
    paths.flat_map(of_path).collect()
}

/// Each operation of a path with its method.
pub(crate) fn of(item: &mut PathItem) -> impl Iterator<Item = (String, &mut Operation)> {
    let PathItem {
        get, put, post, delete, options, head, patch, trace, query, additional_operations, ..
    } = item;
    let named = [
        ("GET", get),
        ("PUT", put),
        ("POST", post),
        ("DELETE", delete),
        ("OPTIONS", options),
        ("HEAD", head),
        ("PATCH", patch),
        ("TRACE", trace),
        ("QUERY", query),
    ];
    let named =
        named.into_iter().filter_map(|(method, operation)| Some((method.to_owned(), operation.as_mut()?)));
    named.chain(additional_operations.iter_mut().map(|(method, operation)| (method.clone(), operation)))
}
