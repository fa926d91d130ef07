//! The scripts that the server runs.

use crate::client::Script;

pub(crate) struct Scripts {
    pub(crate) append: Script,
    pub(crate) check: Script,
    pub(crate) end_attempt: Script,
    pub(crate) keep: Script,
    pub(crate) pull: Script,
    pub(crate) take: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            append: Script::new(include_str!("scripts/append.lua")),
            check: Script::new(include_str!("scripts/check.lua")),
            end_attempt: Script::new(include_str!("scripts/end_attempt.lua")),
            keep: Script::new(include_str!("scripts/keep.lua")),
            pull: Script::new(include_str!("scripts/pull.lua")),
            take: Script::new(include_str!("scripts/take.lua")),
        }
    }
}
