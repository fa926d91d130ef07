//! The options of an authenticator that may differ by route.

use std::time::Duration;

use crate::config_error::ConfigError;
use crate::denial::{DenialRenderer, DenialStyle};
use crate::engine::AttemptLimit;
use crate::extract::ExtractionSettings;

/// The longest time to live. A longer one can only be a mistake, because a revoked key is let in for as long as its
/// answer serves.
pub(crate) const LONGEST_TIME_TO_LIVE: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) extraction: ExtractionSettings,
    pub(crate) realm: String,
    pub(crate) problem_details: bool,
    pub(crate) denial_renderer: Option<DenialRenderer>,
    pub(crate) attempt_limit: Option<AttemptLimit>,
    /// Answers that are older than this don't serve. `None`: only the cache's time to live bounds their age.
    pub(crate) max_age: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        let DenialStyle { realm, problem_details, .. } = DenialStyle::default();
        Self {
            extraction: ExtractionSettings::default(),
            realm,
            problem_details,
            denial_renderer: None,
            attempt_limit: Some(AttemptLimit::default()),
            max_age: None,
        }
    }
}

impl Options {
    /// # Errors
    /// [`ConfigError`], naming the option that can't be used.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.attempt_limit.is_some_and(|limit| {
            limit.attempts == 0 || limit.window.is_zero() || limit.window > LONGEST_TIME_TO_LIVE
        }) {
            return Err(ConfigError::new(
                "attempt_limit",
                "at least 1 attempt, and a window of at most a day (86400 s); None turns the limit off",
            ));
        }
        if self.max_age.is_some_and(|max_age| max_age > LONGEST_TIME_TO_LIVE) {
            return Err(ConfigError::new("max_age", "at most a day (86400 s)"));
        }
        if self.realm.is_empty() || !self.realm.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(ConfigError::new("realm", "visible ASCII characters and spaces, at least one"));
        }
        Ok(())
    }

    /// How these options word denials.
    pub(crate) fn style(&self) -> DenialStyle {
        DenialStyle {
            realm: self.realm.clone(),
            scheme: self.extraction.challenge_scheme().to_owned(),
            missing_key_message: format!("No {}", self.extraction.location_names().join(" or ")).into(),
            problem_details: self.problem_details,
            renderer: self.denial_renderer.clone(),
            ..DenialStyle::default()
        }
    }
}
