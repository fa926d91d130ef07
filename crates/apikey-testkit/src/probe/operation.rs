//! The checks of one operation.

use super::check::{Check, is_refusal, is_success, is_through, shown};
use super::client::Reply;
use super::document::{Operation, Owner};
use super::holding::Holding;
use super::report::FindingKind;
use super::run::{Key, Run, Stop};

/// Checks one operation, and reports what it finds.
pub(crate) async fn check(run: &mut Run<'_>, operation: &Operation) -> Option<Stop> {
    let mut check = Check::new(run, operation);
    let stop = check.whole().await.err();
    check.report_rest(stop.as_ref());
    stop
}

impl Check<'_, '_> {
    async fn whole(&mut self) -> Result<(), Stop> {
        let operation = self.operation;
        let security = &operation.security;
        for reason in &security.not_checked {
            self.note(&format!("this alternative of its `security` is not checked: {reason}"));
        }
        if security.ways.is_empty() && operation.owner != Owner::default() {
            self.note("`x-apikey-owner` is not checked, because the operation takes no key");
        }
        if security.may_need_certificate && security.ways.is_empty() {
            return Ok(());
        }
        let without = self.ask(None).await?;
        if security.is_open() {
            self.open(without.as_ref());
            return Ok(());
        }
        if self.is_blind(without.as_ref()).await? {
            return Ok(());
        }
        if let Some(reply) = &without {
            if security.lets_anybody_in {
                self.optional(reply);
            } else if !self.guarded(reply).await? {
                return Ok(());
            }
        }
        for index in 0..security.ways.len() {
            self.way(index).await?;
        }
        Ok(())
    }

    /// An operation without `security`.
    fn open(&mut self, without: Option<&Reply>) {
        let Some(without) = without else { return };
        match without.status {
            401 | 403 => self.find(
                FindingKind::KeyRequired,
                format!(
                    "the document says that nobody needs a key, but a request without one is refused ({}). Declare the \
                     `security` of this operation, or take the guard off",
                    shown(without)
                ),
            ),
            404 | 405 => self.missing("every request", without.status),
            _ => {}
        }
    }

    /// Judges the answer to a request without a key, if the key is optional.
    fn optional(&mut self, without: &Reply) {
        if is_refusal(without) {
            self.find(
                FindingKind::KeyRequired,
                format!(
                    "the document says that the key is optional (`{{}}` in its `security`), but a request without one is \
                     refused ({}). Remove `{{}}`, or let the guard take requests without a key",
                    shown(without)
                ),
            );
        }
    }

    /// Judges the answer to a request without a key, if the document asks for one. Returns whether to go on.
    async fn guarded(&mut self, without: &Reply) -> Result<bool, Stop> {
        if without.status == 401 {
            return Ok(true);
        }
        if without.status == 403 {
            self.refusals.push("a request without a key is answered 403, and not 401".to_owned());
            return Ok(true);
        }
        let operation = self.operation;
        let Some(way) = operation.security.ways.first() else {
            let text = format!(
                "a request without a key is answered {}, and not 401. Guard the route, or mend its `security`",
                without.status
            );
            let kind = if is_success(without) { FindingKind::Unguarded } else { FindingKind::WrongStatus };
            self.find(kind, text);
            return Ok(false);
        };
        let full = Key::With(Holding::of(way.scopes()));
        let full = self.ask(Some((0, full))).await?;
        if !is_through(without, full.as_ref()) {
            self.refusals
                .push(format!("a request without a key is answered {}, and not 401", without.status));
            return Ok(true);
        }
        let unissued = self.ask(Some((0, Key::Unissued))).await?;
        if unissued.as_ref().is_some_and(is_refusal) {
            self.find(
                FindingKind::KeyOptional,
                format!(
                    "a request without a key is let in ({}), although the document asks for one. Other keys are verified. \
                     Make the key mandatory, or add `{{}}` to the `security` of this operation",
                    without.status
                ),
            );
            return Ok(true);
        }
        self.find(
            FindingKind::Unguarded,
            format!(
                "nothing guards this route: a request without a key is let in ({}){}. Guard it, or declare `security: []` if \
                 it is for everybody",
                without.status,
                if unissued.is_some() { ", and so is one with a key that nobody issued" } else { "" }
            ),
        );
        Ok(false)
    }

    /// Whether the server answers the same to everybody, so that nothing can be said about a guard. That is reported.
    async fn is_blind(&mut self, without: Option<&Reply>) -> Result<bool, Stop> {
        let Some(without) = without.filter(|reply| !is_success(reply) && !is_refusal(reply)) else {
            return Ok(false);
        };
        let Some(way) = self.operation.security.ways.first() else { return Ok(false) };
        for key in [Key::With(Holding::of(way.scopes())), Key::Unissued] {
            if self.ask(Some((0, key))).await?.is_none_or(|reply| reply.status != without.status) {
                return Ok(false);
            }
        }
        match without.status {
            404 | 405 => self.missing("every request", without.status),
            300..=399 => self.find(
                FindingKind::NotChecked,
                format!(
                    "the server redirects every request ({}), with and without a key. Document the path to which it leads, \
                     because a redirect that is followed can lose the key",
                    without.status
                ),
            ),
            status => self.find(
                FindingKind::NotChecked,
                format!(
                    "the server answers every request with {status}, with and without a key. Either nothing guards the \
                     route, or the request is refused before its key is looked at. Give its parameters and its body an \
                     `example` that the server takes, and probe again"
                ),
            ),
        }
        Ok(true)
    }
}
