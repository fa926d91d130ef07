//! The checks of one operation with keys.

use std::collections::BTreeSet;

use hyper::Method;

use super::check::{Check, is_refusal, is_success, is_through, shown};
use super::client::Reply;
use super::combinations::{combinations, similar, smallest};
use super::document::Owner;
use super::holding::{Holding, listed};
use super::report::{FindingKind, counted};
use super::run::{Key, Stop};
use super::security::Way;

/// How many keys one finding lists.
const MOST_LISTED: usize = 4;

impl Check<'_, '_> {
    /// Tries every kind of key in one place.
    pub(crate) async fn way(&mut self, index: usize) -> Result<(), Stop> {
        let operation = self.operation;
        let Some(way) = operation.security.ways.get(index) else { return Ok(()) };
        let full_holding = Holding::of(way.scopes());
        let full = self.ask(Some((index, Key::With(full_holding.clone())))).await?;
        if !self.unissued(index, way, full.as_ref()).await? {
            return Ok(());
        }
        if let Some(reply) = full.as_ref().filter(|reply| reply.status == 401) {
            let hint = match self.run.was_verified(&full_holding) {
                true => "The server has asked the emulator about it, which said that it is valid".to_owned(),
                false => format!(
                    "The server has not asked the emulator about it. Point `KINDE_DOMAIN` of the server at {}, and let it \
                     read the key from there",
                    self.run.emulator.url()
                ),
            };
            let text = format!("{full_holding}, {}, is refused ({}). {hint}", way.placement, shown(reply));
            self.find(FindingKind::TooStrict, text);
            return Ok(());
        }
        match full.as_ref().map(|reply| reply.status) {
            Some(405) => {
                self.missing("a key that may do everything", 405);
                return Ok(());
            }
            // The guard may stand in front of routes that the server does not have.
            Some(404) if !self.operation.template.has_parameters() => self.note(
                "a key that may do everything is answered 404: perhaps the server has no such route, and its guard answers \
                 before it looks for one",
            ),
            _ => {}
        }
        self.scopes(index, way, full.as_ref()).await?;
        self.owner(index, way, full.as_ref()).await
    }

    /// Tries a key that nobody issued. Returns whether the guard verifies keys.
    async fn unissued(&mut self, index: usize, way: &Way, full: Option<&Reply>) -> Result<bool, Stop> {
        let Some(reply) = self.ask(Some((index, Key::Unissued))).await? else { return Ok(true) };
        if reply.status == 401 {
            return Ok(true);
        }
        if !is_through(&reply, full) {
            self.refusals
                .push(format!("a key that nobody issued is answered {}, and not 401", shown(&reply)));
            return Ok(true);
        }
        self.find(
            FindingKind::KeyNotVerified,
            format!(
                "a key that nobody issued, {}, is let in ({}). The guard looks only whether there is a key: let it verify \
                 the key",
                way.placement, reply.status
            ),
        );
        Ok(false)
    }

    /// Tries keys with every combination of scopes, and with scopes that are similar.
    async fn scopes(&mut self, index: usize, way: &Way, full: Option<&Reply>) -> Result<(), Stop> {
        let (mut let_in, mut refused) = (Vec::new(), Vec::new());
        let listed_scopes = self.operation.listed.clone().unwrap_or_else(|| way.scopes());
        if self.operation.is_bound {
            self.note(
                "the route is bound to one organization, which the document does not name. So a key that may do everything may \
                 be refused",
            );
        }
        let mut named: Option<BTreeSet<String>> = None;
        for scopes in combinations(way) {
            let Some(reply) = self.ask(Some((index, Key::With(Holding::of(scopes.clone()))))).await? else {
                continue;
            };
            match way.admits(&scopes) {
                // Which organization that is, nobody tells the probe.
                true if self.operation.is_bound && reply.status == 403 => {}
                true if is_refusal(&reply) => refused.push((scopes, reply)),
                true => {}
                false if is_through(&reply, full) => let_in.push((scopes, reply)),
                false if reply.status == 403 => {
                    if reply.required_scopes.is_none() && self.operation.method != Method::HEAD {
                        self.run.note_without_scopes(&self.operation.name);
                    }
                    named = named.or(reply.required_scopes.filter(|scopes| *scopes != listed_scopes));
                }
                false => {
                    let key = Holding::of(scopes);
                    self.refusals.push(format!("{key} is answered {}, and not 403", shown(&reply)));
                }
            }
        }
        if let_in.is_empty() && !way.admits(&BTreeSet::new()) {
            let_in.extend(self.similar(index, way, full).await?);
        }
        self.too_open(way, &let_in);
        self.too_strict(way, &refused);
        if let Some(named) = named {
            self.find(
                FindingKind::OtherScopes,
                format!(
                    "the refusal (403) names the required scopes {}, but the document names {}. One of the two is wrong",
                    listed(&named, "and"),
                    listed(&listed_scopes, "and")
                ),
            );
        }
        Ok(())
    }

    /// Tries similar scopes at once. If they open the route, tries each by itself.
    async fn similar(
        &mut self,
        index: usize,
        way: &Way,
        full: Option<&Reply>,
    ) -> Result<Vec<(BTreeSet<String>, Reply)>, Stop> {
        let together = similar(way);
        let mut opened = Vec::new();
        let singles = together.iter().map(|scope| BTreeSet::from([scope.clone()]));
        for (number, scopes) in [together.clone()].into_iter().chain(singles).enumerate() {
            let Some(reply) = self.ask(Some((index, Key::With(Holding::of(scopes.clone()))))).await? else {
                continue;
            };
            if is_through(&reply, full) {
                opened.push((scopes, reply));
            } else if number == 0 {
                break;
            }
        }
        Ok(opened)
    }

    fn too_open(&mut self, way: &Way, let_in: &[(BTreeSet<String>, Reply)]) {
        if let_in.is_empty() {
            return;
        }
        let mut text = format!(
            "too open, {}: {}. The document asks for {}. Let the guard ask for the same, or mend the `security` of this \
             operation",
            way.placement,
            answers(let_in, "is let in"),
            asked(way)
        );
        if let_in.iter().all(|(_, reply)| !is_success(reply)) {
            text += ". If the server refuses the request before it looks at scopes, give the document an `example` that it takes";
        }
        self.find(FindingKind::TooOpen, text);
    }

    fn too_strict(&mut self, way: &Way, refused: &[(BTreeSet<String>, Reply)]) {
        if refused.is_empty() {
            return;
        }
        let mut text = format!(
            "too strict, {}: {}. The document asks for {}. Let the guard ask for the same, or mend the `security` of this \
             operation",
            way.placement,
            answers(refused, "is refused"),
            asked(way)
        );
        if refused.iter().all(|(_, reply)| reply.status == 403 && reply.required_scopes.is_none()) {
            text += ". The refusal names no scopes: perhaps it concerns the owner of the key, or the API to which it belongs";
        }
        self.find(FindingKind::TooStrict, text);
    }

    /// Tries keys with all scopes and another owner than the document says.
    async fn owner(&mut self, index: usize, way: &Way, full: Option<&Reply>) -> Result<(), Stop> {
        let needed = self.operation.owner;
        let mut let_in = Vec::new();
        for (organization, user) in [(false, false), (false, true), (true, false)] {
            let is_wrong = (needed.organization && !organization) || (needed.user && !user);
            if !is_wrong {
                continue;
            }
            let holding = Holding { scopes: way.scopes(), owner: Owner { organization, user } };
            let Some(reply) = self.ask(Some((index, Key::With(holding.clone())))).await? else { continue };
            if is_through(&reply, full) {
                let_in.push(format!("{holding} is let in ({})", reply.status));
            } else if reply.status != 403 {
                self.refusals.push(format!("{holding} is answered {}, and not 403", shown(&reply)));
            }
        }
        if !let_in.is_empty() {
            let owner = match needed {
                Owner::BOTH => "an organization and a user",
                Owner { organization: true, .. } => "an organization",
                _ => "a user",
            };
            self.find(
                FindingKind::OwnerNotChecked,
                format!(
                    "the owner is not checked, {}: {}. `x-apikey-owner` asks for a key of {owner}. Let the guard check it, or \
                     remove it from the document",
                    way.placement,
                    let_in.join("; ")
                ),
            );
        }
        Ok(())
    }
}

/// The smallest of these keys, and what became of them.
fn answers(keys: &[(BTreeSet<String>, Reply)], what: &str) -> String {
    let smallest = smallest(keys.iter().map(|(scopes, _)| scopes));
    let keys = keys.iter().filter(|(scopes, _)| smallest.contains(&scopes));
    let mut texts: Vec<String> = keys
        .map(|(scopes, reply)| format!("{} {what} ({})", Holding::of(scopes.clone()), shown(reply)))
        .collect();
    let more = texts.len().saturating_sub(MOST_LISTED);
    texts.truncate(MOST_LISTED);
    if more > 0 {
        texts.push(format!("and {}", counted(more, "other key")));
    }
    texts.join("; ")
}

/// The alternatives of the document, in words.
fn asked(way: &Way) -> String {
    let mut alternatives: Vec<String> = way
        .alternatives
        .iter()
        .map(|scopes| if scopes.is_empty() { "any key".to_owned() } else { listed(scopes, "and") })
        .collect();
    let more = alternatives.len().saturating_sub(MOST_LISTED);
    alternatives.truncate(MOST_LISTED);
    if more > 0 {
        alternatives.push(format!("{more} more"));
    }
    alternatives.join(", or ")
}
