//! Routes that the server has and the document lacks.

use std::collections::BTreeSet;

use hyper::Method;

use super::body::Body;
use super::document::Operation;
use super::inputs::Inputs;
use super::report::FindingKind;
use super::run::{Run, Stop};
use super::template::Template;

/// A route of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    method: String,
    path: String,
}

impl Route {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Route { method: method.trim().to_ascii_uppercase(), path: path.trim().to_owned() }
    }

    fn key(&self) -> (String, String) {
        (self.method.clone(), Template::of_framework(&self.path).shape())
    }
}

/// Reports every route that no operation describes. It asks the server for each, without a key.
pub(crate) async fn check(run: &mut Run<'_>, routes: &[Route], operations: &[Operation]) {
    let documented = operations
        .iter()
        .map(|operation| (operation.method.as_str().to_ascii_uppercase(), operation.template.shape()));
    let mut known: BTreeSet<(String, String)> = documented.collect();
    let own: BTreeSet<(String, String)> = routes.iter().map(Route::key).collect();
    for route in routes {
        let (method, shape) = route.key();
        // Frameworks answer HEAD with the route of GET.
        let of_get = ("GET".to_owned(), shape.clone());
        if method == "HEAD" && (known.contains(&of_get) || own.contains(&of_get)) {
            continue;
        }
        if known.insert((method, shape)) {
            let answer = ask(run, route).await;
            let name = format!("{} {}", route.method, route.path);
            let text = format!(
                "the document lacks this route. {answer}. Add it to the document, with its `security`"
            );
            run.report.find(FindingKind::Undocumented, Some(&name), text);
        }
    }
}

/// What the server answers without a key, in words.
async fn ask(run: &mut Run<'_>, route: &Route) -> String {
    let Ok(method) = Method::from_bytes(route.method.as_bytes()) else {
        return "Its method is not one of HTTP, so the server was not asked".to_owned();
    };
    let target = Template::of_framework(&route.path).filled(|_| None);
    let mut inputs = Inputs::plain(target.split('?').next().unwrap_or_default().to_owned());
    if let Some(body) = Body::usual(&method) {
        inputs.set_body(body);
    }
    match run.send(&method, &inputs, None).await {
        Ok(reply) if matches!(reply.status, 401 | 403) => {
            format!("It is guarded: a request without a key is answered {}", reply.status)
        }
        Ok(reply) if (200..300).contains(&reply.status) => {
            format!("It is open: a request without a key is answered {}", reply.status)
        }
        Ok(reply) => format!(
            "A request without a key is answered {}, which does not tell whether it is guarded",
            reply.status
        ),
        Err(Stop::Limit) => "The server was not asked, because the limit of requests was reached".to_owned(),
        Err(Stop::Silence(reason)) => format!("The server did not answer: {reason}"),
    }
}
