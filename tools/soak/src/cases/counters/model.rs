//! What the answer to a request must be. It asks nothing of the library: it follows from the kind of the key, from
//! when Kinde judged it, and from what this client has sent before.

use super::EXPIRED;
use super::ledger::{Expected, Outcome};

/// How many refused keys one client may present in a window, which is one age.
pub(super) const ATTEMPTS: u32 = 6;

/// The time, in steps that are longer than a time to live, and what Kinde does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phase {
    pub(super) number: u32,
    pub(super) is_down: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Any,
    Optional,
    Scope,
    Organization,
    User,
    Ours,
    /// A layer and an extractor, so two gates decide about a request that passes the first.
    Twice,
}

impl Route {
    pub(super) const ALL: [Self; 7] =
        [Self::Any, Self::Optional, Self::Scope, Self::Organization, Self::User, Self::Ours, Self::Twice];

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Any => "/any",
            Self::Optional => "/optional",
            Self::Scope => "/scope",
            Self::Organization => "/organization",
            Self::User => "/user",
            Self::Ours => "/ours",
            Self::Twice => "/twice",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A good key with neither scopes nor an owner.
    Plain,
    /// A good key with all that any route asks for.
    Full,
    /// A good key of another organization, with the scope.
    Foreign,
    /// A key with all that any route asks for, but of another API.
    OtherApi,
    Revoked,
    Inactive,
    Unknown,
    /// Kinde's answer about it can't be read.
    Unreadable,
    /// Kinde's answer about it says that this service is set up wrong.
    SetUp,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::Plain,
        Self::Full,
        Self::Foreign,
        Self::OtherApi,
        Self::Revoked,
        Self::Inactive,
        Self::Unknown,
        Self::Unreadable,
        Self::SetUp,
    ];

    /// The outcome once Kinde has answered.
    pub(super) fn outcome(self, route: Route) -> Outcome {
        let (is_plain, is_foreign) = (self == Self::Plain, self == Self::Foreign);
        Outcome::Denied(match (self, route) {
            (Self::OtherApi, _) => "API_MISMATCH",
            (Self::Revoked, _) => "KEY_REVOKED",
            (Self::Inactive, _) => "KEY_INACTIVE",
            (Self::Unknown, _) => "INVALID_KEY",
            (Self::Unreadable, _) => "VERIFICATION_UNAVAILABLE",
            (Self::SetUp, _) => "INTERNAL_ERROR",
            (_, Route::Scope) if is_plain => "INSUFFICIENT_SCOPE",
            (_, Route::Organization | Route::Ours) if is_plain => "ORGANIZATION_KEY_REQUIRED",
            (_, Route::User) if is_plain || is_foreign => "USER_KEY_REQUIRED",
            (_, Route::Ours) if is_foreign => "ORGANIZATION_MISMATCH",
            _ => return Outcome::Accepted,
        })
    }

    fn is_good(self) -> bool {
        matches!(self, Self::Plain | Self::Full | Self::Foreign)
    }

    fn is_refused(self) -> bool {
        matches!(self, Self::OtherApi | Self::Revoked | Self::Inactive | Self::Unknown)
    }

    /// The right answer, if it comes from this source.
    pub(super) fn expected(self, route: Route, source: &'static str) -> Expected {
        let outcome = self.outcome(route);
        let gates = if route == Route::Twice && outcome == Outcome::Accepted { 2 } else { 1 };
        Expected { outcome, source, gates }
    }
}

/// A key that one client alone presents.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) key_id: String,
    pub(super) secret: String,
    /// In which phase Kinde last judged it.
    judged_in: Option<u32>,
}

impl Key {
    pub(super) fn new(kind: Kind, key_id: String, secret: String) -> Self {
        Self { kind, key_id, secret, judged_in: None }
    }

    /// The right answer, and whether Kinde is asked for it. `refused` is how many keys of this client were refused in
    /// this phase; it is kept up to date.
    pub(super) fn present(&mut self, route: Route, phase: Phase, refused: &mut u32) -> (Expected, bool) {
        let age = self.judged_in.map(|judged_in| phase.number - judged_in);
        if age == Some(0) {
            let source = if self.kind.is_good() { "hit" } else { "negative" };
            return (self.kind.expected(route, source), false);
        }
        if *refused >= ATTEMPTS {
            return (Expected::denied("RATE_LIMITED", ""), false);
        }
        if !phase.is_down {
            if self.kind.is_good() || self.kind.is_refused() {
                self.judged_in = Some(phase.number);
            }
            *refused += u32::from(self.kind.is_refused());
            return (self.kind.expected(route, "verified"), true);
        }
        if self.kind.is_good() && age.is_some_and(|age| age < EXPIRED) {
            return (self.kind.expected(route, "stale"), true);
        }
        (Expected::denied("VERIFICATION_UNAVAILABLE", "verified"), true)
    }
}
