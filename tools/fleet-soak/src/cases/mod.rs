//! The faults, one case each.

mod figures;
mod instances;
mod network;
mod store;

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::checker::{Bounds, check};
use crate::clock::Span;
use crate::history::Event;
use crate::report::Row;
use crate::world::{FOLDER, Setup, World, wait};

/// After a fault, all instances must be linked again within this time.
const LINKED_AGAIN: Duration = Duration::from_secs(4);
/// How long the traffic goes on before a fault.
const CALM: f64 = 1.5;
/// And for how long all must stay linked after it. An instance that has not noticed a fault yet counts as linked for 0.9 s.
const STAYS_LINKED: Duration = Duration::from_millis(1_500);

type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + 'a>>;

/// A case.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Whether the short run has it.
    pub is_quick: bool,
    kind: Kind,
}

enum Kind {
    /// A fault under load. The function lets it happen, and returns when the store can be reached again. With `true` it may be
    /// shorter.
    Fault { setup: fn() -> Setup, fault: for<'a> fn(&'a mut World, bool) -> Work<'a, ()>, is: Allowed },
    /// Something that is measured in another way.
    Figure(fn(&'static str, bool) -> Work<'static, Row>),
}

/// What is allowed while a fault lasts.
#[derive(Clone, Copy, Default)]
struct Allowed {
    /// Requests get no answer, because their instance stands still or ends.
    lost: bool,
    /// A key that the instance does not know may be unavailable, because Kinde is away, too.
    unavailable: bool,
    /// By how much longer a linked instance may serve.
    longer: Span,
}

const NOTHING: Allowed = Allowed { lost: false, unavailable: false, longer: 0 };
const LOST: Allowed = Allowed { lost: true, ..NOTHING };
/// While an instance stood still, the time of a verification that was under way has run out.
const STOPPED: Allowed = Allowed { unavailable: true, ..LOST };

/// All cases.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [network::CASES, store::CASES, instances::CASES, figures::CASES].into_iter().flatten()
}

impl Case {
    const fn fault(name: &'static str, fault: for<'a> fn(&'a mut World, bool) -> Work<'a, ()>) -> Self {
        Self { name, is_quick: false, kind: Kind::Fault { setup: Setup::default, fault, is: NOTHING } }
    }

    const fn figure(name: &'static str, measure: fn(&'static str, bool) -> Work<'static, Row>) -> Self {
        Self { name, is_quick: true, kind: Kind::Figure(measure) }
    }

    const fn quick(self) -> Self {
        Self { is_quick: true, ..self }
    }

    const fn allow(self, allowed: Allowed) -> Self {
        let kind = match self.kind {
            Kind::Fault { setup, fault, .. } => Kind::Fault { setup, fault, is: allowed },
            Kind::Figure(measure) => Kind::Figure(measure),
        };
        Self { kind, ..self }
    }

    const fn with(self, setup: fn() -> Setup) -> Self {
        let kind = match self.kind {
            Kind::Fault { fault, is, .. } => Kind::Fault { setup, fault, is },
            Kind::Figure(measure) => Kind::Figure(measure),
        };
        Self { kind, ..self }
    }

    /// Runs it. What goes wrong is a problem in the row.
    pub async fn run(&self, is_quick: bool) -> Row {
        let row = match &self.kind {
            Kind::Fault { setup, fault, is } => {
                under_load(self.name, &setup(), *is, |world| fault(world, is_quick)).await
            }
            Kind::Figure(measure) => measure(self.name, is_quick).await,
        };
        row.unwrap_or_else(|problem| Row {
            case: self.name.to_owned(),
            problems: vec![problem],
            ..Row::default()
        })
    }
}

/// Lets a fault happen under load, waits until all are linked again, and checks the history.
async fn under_load(
    name: &str,
    setup: &Setup,
    allowed: Allowed,
    fault: impl for<'a> FnOnce(&'a mut World) -> Work<'a, ()>,
) -> Result<Row, String> {
    let mut world = World::start(name, setup).await?;
    world.send();
    wait(CALM).await;
    fault(&mut world).await?;
    let linked_again = world.linked_again(STAYS_LINKED).await?;
    let mut bounds = setup.settings.bounds();
    bounds.linked += allowed.longer;
    let mut row = judged(name, &mut world, &bounds).await;
    row.linked_again = Some(linked_again);
    if linked_again > LINKED_AGAIN {
        row.problems.push(format!("linked again after {:.1} s", linked_again.as_secs_f64()));
    }
    let lost = world.answers.lost.load(Ordering::Relaxed);
    if lost > 0 && !allowed.lost {
        row.problems.push(format!("{lost} requests got no answer"));
    }
    if row.findings.unavailable > 0 && !allowed.unavailable {
        row.problems.push(format!("{} times 503, and Kinde answers", row.findings.unavailable));
    }
    Ok(row)
}

/// Ends a world, and checks its history. If something is wrong, the history is kept.
async fn judged(name: &str, world: &mut World, bounds: &Bounds) -> Row {
    let events = world.end().await;
    let findings = check(&events, bounds);
    let requests = world.answers.answered.load(Ordering::Relaxed);
    let mut row = Row { case: name.to_owned(), requests, findings, ..Row::default() };
    if row.findings.decisions == 0 || row.findings.removals == 0 {
        row.problems.push("nothing was decided or removed".to_owned());
    }
    if !row.is_ok() || row.findings.unavailable > 0 {
        keep(name, &events);
    }
    row
}

fn keep(name: &str, events: &[Event]) {
    let file = format!("{FOLDER}/{}.jsonl", name.replace([' ', ','], "-"));
    let lines: Vec<String> = events.iter().filter_map(|event| serde_json::to_string(event).ok()).collect();
    match std::fs::write(&file, lines.join("\n")) {
        Ok(()) => println!("  the history is in {file}"),
        Err(error) => println!("  cannot write {file}: {error}"),
    }
}
