//! The probe finds every wrong guard of the reference servers, and nothing in the servers themselves.

// The sources of the reference servers are parts of this test, which uses what starts them.
#![allow(dead_code, missing_docs, unreachable_pub, unused_imports, unused_variables)]

mod on_actix;
mod on_axum;
mod on_rocket;
mod on_warp;
mod server;
mod switch;

use apikey_core::{Authenticator, KindeSettings, KindeVerifier};
use apikey_testkit::emulator::Emulator;
use apikey_testkit::probe::{FindingKind, Probe, Report};
use probe_mutants::{Switches, wrongs};
use serde_json::Value;

use server::Server;

type Start = fn(Authenticator) -> Server;

/// One framework: its reference server, and the same with switches.
struct Subject {
    reference: Start,
    switched: Start,
    /// Without layers and groups, so that the guards of handlers are all there is. `None` if the framework has neither.
    bare: Option<Start>,
    switches: &'static Switches,
    /// The handlers of the guards, if they are known.
    handlers: &'static [&'static str],
}

struct Bench {
    emulator: Emulator,
    document: Value,
    routes: Vec<(String, String)>,
}

impl Bench {
    async fn new(reference: Start) -> Self {
        let emulator = Emulator::start().await.unwrap();
        let server = reference(keys(&emulator));
        let document = reqwest::get(format!("{}/openapi.json", server.url())).await.unwrap();
        let document: Value = document.json().await.unwrap();
        let paths = document["paths"].as_object().unwrap().iter();
        let routes = paths.flat_map(|(path, item)| {
            let methods =
                ["get", "post", "put", "delete"].into_iter().filter(|method| item.get(*method).is_some());
            methods.map(|method| (method.to_ascii_uppercase(), path.clone())).collect::<Vec<_>>()
        });
        Self { routes: routes.collect(), emulator, document }
    }

    /// The method and the path of a handler, whose name is its `operationId`.
    fn operation(&self, handler: &str) -> Option<String> {
        let is_it = |(method, path): &&(String, String)| {
            self.document["paths"][path][method.to_ascii_lowercase()]["operationId"] == handler
        };
        self.routes.iter().find(is_it).map(|(method, path)| format!("{method} {path}"))
    }

    async fn probe(&self, document: &Value, start: Start) -> Report {
        // Each server has its own authenticator, so that no answer of another one is cached.
        let server = start(keys(&self.emulator));
        let probe = Probe::new(document, &server.url()).unwrap().routes(self.routes.clone());
        probe.run(&self.emulator).await
    }
}

/// The right server has no findings. Each server with one wrong guard has, and so has each document that hides a route.
async fn check(Subject { reference, switched, bare, switches, handlers }: Subject) {
    let bench = Bench::new(reference).await;
    assert!(bench.routes.len() >= 9, "{:?}", bench.routes);
    let mut missed = Vec::new();
    for start in [reference, switched] {
        let report = bench.probe(&bench.document, start).await;
        assert!(report.is_clean() && report.operations() == bench.routes.len(), "{report}");
    }
    let (mut mutants, guards) = (0, switches.guards());
    assert!(guards.len() >= 8, "there are only {} guards", guards.len());
    assert!(guards.values().any(|guard| guard.is_optional), "there is no optional guard");
    for (number, guard) in guards {
        let operation = bench.operation(handlers.get(number).copied().unwrap_or_default());
        // What the probe says if nothing looks at keys.
        let unguarded = if guard.is_optional { FindingKind::KeyNotVerified } else { FindingKind::Unguarded };
        // A policy by value stands in front of a handler that takes any key.
        let is_behind = bare.is_some() && operation.is_none();
        for wrong in wrongs(&guard) {
            let what = format!("{}: {}", operation.as_deref().unwrap_or("a policy by value"), wrong.what);
            let is_dropped = wrong.guard.is_none();
            if is_dropped && is_behind {
                continue; // see the bare server
            }
            switches.set(Some((number, wrong)));
            let start = if is_dropped { bare.unwrap_or(switched) } else { switched };
            let report = bench.probe(&bench.document, start).await;
            mutants += 1;
            // Without layers, other routes have findings, too.
            let others =
                report.findings().iter().filter(|finding| finding.operation() != operation.as_deref());
            let is_alone = operation.is_none() || (is_dropped && bare.is_some()) || others.count() == 0;
            let found = report.findings().iter().any(|finding| {
                finding.kind() != FindingKind::NotChecked
                    && (operation.is_none() || finding.operation() == operation.as_deref())
                    && (!is_dropped || finding.kind() == unguarded)
            });
            if !found || !is_alone {
                missed.push(format!("{what}: {report}"));
            }
        }
        switches.set(None);
    }
    for (method, path) in &bench.routes {
        let mut document = bench.document.clone();
        document["paths"][path].as_object_mut().unwrap().remove(&method.to_ascii_lowercase());
        let (report, hidden) = (bench.probe(&document, reference).await, format!("{method} {path}"));
        mutants += 1;
        let [finding] = report.findings() else {
            missed.push(format!("{hidden} is hidden: {report}"));
            continue;
        };
        if (finding.kind(), finding.operation()) != (FindingKind::Undocumented, Some(hidden.as_str())) {
            missed.push(format!("{hidden} is hidden: {report}"));
        }
    }
    assert!(missed.is_empty(), "{} of {mutants} are missed: {missed:#?}", missed.len());
    println!("{mutants} of {mutants} mutants are found");
}

fn keys(emulator: &Emulator) -> Authenticator {
    let settings = KindeSettings::from_variables(|name| {
        let variables = emulator.environment();
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
    });
    Authenticator::builder(KindeVerifier::new(settings.unwrap()).unwrap())
        .attempt_limit(None)
        .build()
        .unwrap()
}
