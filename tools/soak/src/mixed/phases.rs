//! The ways in which Kinde, the network or a client misbehaves, one after another.

use std::time::Duration;

use apikey_testkit::emulator::{BackendChoice, ConcurrencyLimit, Fault, NegativeAnswer, ScriptedAnswer};

use crate::oracle::{Oddity, Trouble};

/// What goes wrong for a while.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// Every verification at Kinde fails in this way.
    Verify(Fault),
    /// Kinde answers all calls slowly.
    Slow(Fault),
    /// New tokens are needed, and the token endpoint fails in this way.
    Token(Fault),
    /// Kinde refuses the service's credentials, and new tokens are needed.
    Credentials(Fault),
    /// The verify endpoint refuses a setting.
    SetUp(Fault),
    /// The service's tokens lack their scope.
    DeniedScope,
    /// Kinde revokes all tokens, and is well.
    RevokedTokens,
    /// Many clients come at once. The service must serve all of them.
    Crowd,
    /// One client sends more requests at once than the whole queue holds. The service must serve all others.
    Rush,
    /// One client repeats this many made-up keys, which get this answer from Kinde. The service must serve all
    /// others.
    OddJunk(usize, Fault),
    /// A few good keys get this answer from Kinde, which judges all others.
    OddKeys(Oddity, Fault),
    /// All unknown keys get this answer from Kinde.
    UnknownUnjudged(NegativeAnswer),
    /// Kinde serves few calls at once.
    Overload(ConcurrencyLimit),
    /// Something happens to the open connections.
    Connections(Broken),
    /// One of three backends behind Kinde's address hangs.
    Patchy(BackendChoice),
    /// Kinde's address moves: open connections lead to a backend that answers 503, new ones to a good backend.
    Moved,
}

/// What happens to connections.
#[derive(Debug, Clone, Copy)]
pub(super) enum Broken {
    /// They are dead, and neither side is told.
    Silent,
    Cut,
    /// They are reset at their next use.
    Reset,
    /// They end after their open calls.
    Drained,
    /// Each is closed at this use.
    ClosedAtUse(u64),
    /// They are closed after this idle time.
    ClosedWhenIdle(Duration),
}

impl Phase {
    /// The trouble for all callers. `None`: callers who are not concerned must notice nothing.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Verify(_) | Self::Token(_) | Self::RevokedTokens | Self::Overload(_) => {
                Some(Trouble::Outage)
            }
            Self::Credentials(_) | Self::SetUp(_) | Self::DeniedScope => Some(Trouble::SetUp),
            Self::Slow(_) | Self::Connections(Broken::Silent) => Some(Trouble::Slow),
            Self::Patchy(_) => Some(Trouble::Patchy),
            Self::UnknownUnjudged(_) => Some(Trouble::UnknownUnjudged),
            Self::Crowd
            | Self::Rush
            | Self::OddJunk(..)
            | Self::OddKeys(..)
            | Self::Connections(_)
            | Self::Moved => None,
        }
    }
}

/// Each phase once.
pub(super) fn all() -> Vec<Phase> {
    let mut phases = failures();
    phases.extend(odd_keys());
    phases.extend(edge());
    phases
}

fn failures() -> Vec<Phase> {
    let milliseconds = Duration::from_millis;
    let too_many = |seconds| Fault::TooManyRequests { rate_limit_reset: seconds, retry_after: None };
    vec![
        Phase::Verify(Fault::status(503)),
        Phase::Verify(Fault::status(500)),
        Phase::Verify(too_many(Some(1))),
        Phase::Verify(too_many(None)),
        Phase::Verify(Fault::Reset),
        Phase::Verify(Fault::Hang),
        Phase::Verify(Fault::Garbage),
        Phase::Verify(Fault::RawGarbage),
        Phase::Verify(Fault::Empty),
        Phase::Verify(Fault::Close),
        Phase::Verify(Fault::HugeBody(200_000)),
        Phase::Verify(Fault::SlowBody(milliseconds(20))),
        Phase::Verify(Fault::Flap),
        Phase::Slow(Fault::Latency(milliseconds(300))),
        Phase::Slow(Fault::Latency(milliseconds(750))),
        Phase::Token(Fault::status(503)),
        Phase::Token(Fault::Hang),
        Phase::Token(Fault::Garbage),
        Phase::Credentials(Fault::Status { status: 401, body: r#"{"error":"invalid_client"}"#.to_owned() }),
        Phase::SetUp(Fault::status(404)),
        Phase::SetUp(Fault::Redirect("/elsewhere".to_owned())),
        Phase::DeniedScope,
        Phase::RevokedTokens,
    ]
}

fn odd_keys() -> Vec<Phase> {
    let mut phases = Vec::new();
    for (number, (oddity, fault)) in odd_answers().into_iter().enumerate() {
        // One key or many: each answer takes its turn with one of them.
        phases.push(Phase::OddJunk(if number % 2 == 0 { 1 } else { 50 }, fault.clone()));
        phases.push(Phase::OddKeys(oddity, fault));
    }
    for answer in [NegativeAnswer::Bare401, NegativeAnswer::Anonymous401, NegativeAnswer::Unreadable200] {
        phases.push(Phase::UnknownUnjudged(answer));
    }
    phases
}

/// Answers to a single key that judge nothing, and what follows for its stale answer.
fn odd_answers() -> Vec<(Oddity, Fault)> {
    let no_key_id = r#"{"code":"API_KEY_VERIFIED","is_valid":true,"status":"active","scopes":[]}"#;
    let busy = ScriptedAnswer::new(503, "").header("retry-after", "1");
    vec![
        (Oddity::Unreadable, Fault::status(400)),
        // A route that does not exist is a wrong set-up.
        (Oddity::Unwell, Fault::status(404)),
        (Oddity::Unwell, Fault::status(500)),
        (Oddity::Unwell, Fault::status(503)),
        (Oddity::Unwell, Fault::Answer(busy)),
        (Oddity::Unwell, Fault::TooManyRequests { rate_limit_reset: None, retry_after: None }),
        (Oddity::Unreadable, Fault::status(401)),
        (Oddity::Unreadable, Fault::Status { status: 200, body: "{}".to_owned() }),
        (Oddity::Unreadable, Fault::Status { status: 200, body: no_key_id.to_owned() }),
        (Oddity::Unwell, Fault::Reset),
        (Oddity::Unwell, Fault::Hang),
    ]
}

fn edge() -> Vec<Phase> {
    let limit = |most, retry_after| ConcurrencyLimit {
        most,
        latency: Duration::from_millis(40),
        retry_after,
        rate_limit_reset: None,
    };
    let mut phases = vec![
        Phase::Crowd,
        Phase::Rush,
        Phase::Overload(limit(2, None)),
        Phase::Overload(limit(2, Some(1))),
        // Silence for all callers.
        Phase::Overload(limit(0, Some(1))),
        Phase::Patchy(BackendChoice::RoundRobin),
        Phase::Patchy(BackendChoice::Random(7)),
        Phase::Moved,
    ];
    let idle = Broken::ClosedWhenIdle(Duration::from_millis(20));
    let broken = [Broken::Silent, Broken::Silent, Broken::Cut, Broken::Reset, Broken::Drained, idle];
    phases.extend(broken.map(Phase::Connections));
    phases.extend((2..=6).map(|nth| Phase::Connections(Broken::ClosedAtUse(nth))));
    phases
}
