//! The scripts that the server runs.

use crate::client::Script;

pub(crate) struct Scripts {
    pub(crate) append: Script,
    pub(crate) check: Script,
    pub(crate) give_back: Script,
    pub(crate) keep: Script,
    pub(crate) pull: Script,
    pub(crate) take: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            append: Script::new(include_str!("scripts/append.lua")),
            check: Script::new(include_str!("scripts/check.lua")),
            give_back: Script::new(include_str!("scripts/give_back.lua")),
            keep: Script::new(include_str!("scripts/keep.lua")),
            pull: Script::new(include_str!("scripts/pull.lua")),
            take: Script::new(include_str!("scripts/take.lua")),
        }
    }
}
