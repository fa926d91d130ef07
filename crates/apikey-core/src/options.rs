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
    pub(crate) problem_documentation: Option<String>,
    pub(crate) resource_metadata: Option<String>,
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
            problem_documentation: None,
            resource_metadata: None,
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
        for (setting, url) in [
            ("problem_documentation", &self.problem_documentation),
            ("resource_metadata", &self.resource_metadata),
        ] {
            if url.as_deref().is_some_and(|url| !is_url(url)) {
                return Err(ConfigError::new(
                    setting,
                    "an absolute URL that begins with https:// or http://",
                ));
            }
        }
        Ok(())
    }

    /// Without problem details, denials are not documented problems either.
    pub(crate) fn set_problem_details(&mut self, problem_details: bool) {
        self.problem_details = problem_details;
        self.problem_documentation.take_if(|_| !problem_details);
    }

    /// Documented problems are problem details.
    pub(crate) fn set_problem_documentation(&mut self, url: String) {
        self.problem_details = true;
        self.problem_documentation = Some(url);
    }

    /// How these options word denials.
    pub(crate) fn style(&self) -> DenialStyle {
        DenialStyle {
            realm: self.realm.clone(),
            scheme: self.extraction.challenge_scheme().to_owned(),
            missing_key_message: format!("No {}", self.extraction.location_names().join(" or ")).into(),
            problem_details: self.problem_details,
            problem_documentation: self.problem_documentation.clone(),
            resource_metadata: self.resource_metadata.clone(),
            renderer: self.denial_renderer.clone(),
            ..DenialStyle::default()
        }
    }
}

/// Whether the text can stand in a quoted string of a header and in a body as an absolute URL. All characters are those of
/// a URI (RFC 3986, section 2).
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(is_allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_url_documents_problems_and_names_metadata() {
        for (url, is_good) in [
            ("https://api.example/problems#", true),
            ("http://127.0.0.1:3000/a?b=c", true),
            ("/problems#", false),
            ("https://", false),
            ("https:///problems", false),
            ("https://a.example/\"", false),
            ("https://a.example/\r\nx: y", false),
            ("https://a.example/ü", false),
            ("javascript:alert(1)", false),
            ("", false),
        ] {
            let problems = Options { problem_documentation: Some(url.to_owned()), ..Options::default() };
            let metadata = Options { resource_metadata: Some(url.to_owned()), ..Options::default() };
            for (options, setting) in [(problems, "problem_documentation"), (metadata, "resource_metadata")] {
                let checked = options.check();
                assert_eq!(checked.is_ok(), is_good, "{url}");
                assert!(checked.err().is_none_or(|error| error.to_string().contains(setting)));
            }
        }
    }
}
