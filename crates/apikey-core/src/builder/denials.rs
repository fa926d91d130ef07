//! How denials are worded.

use super::AuthenticatorBuilder;
use crate::denial::{Audience, Denial, DenialBody, DenialRenderer};

/// # Denials
impl<A> AuthenticatorBuilder<A> {
    /// The realm of the challenges. Default `api`.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.options.realm = realm.into();
        self
    }

    /// Answers denials as `application/problem+json` (RFC 9457). Default: off. `false` also takes back
    /// [`problem_documentation`](Self::problem_documentation).
    pub fn problem_details(mut self, problem_details: bool) -> Self {
        self.options.set_problem_details(problem_details);
        self
    }

    /// Answers denials as `application/problem+json` (RFC 9457) that a program can act on, such as an agent. Default: off.
    ///
    /// `type` is this URL with the denial's code after it: a page that documents the code, if you serve one. `docs/denials.md` of this
    /// project has a section for each code. `title` is what the type means, and `retryable` says whether the same request
    /// may succeed later. Everything else is as with [`problem_details`](Self::problem_details), which this implies.
    ///
    /// ```
    /// use apikey_core::{Authenticator, Verifier};
    ///
    /// # fn example(verifier: impl Verifier) -> Result<(), apikey_core::ConfigError> {
    /// // A revoked key: `"type":"https://api.example/problems#KEY_REVOKED"`, `"retryable":false`.
    /// let keys = Authenticator::builder(verifier)
    ///     .problem_documentation("https://api.example/problems#")
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn problem_documentation(mut self, url: impl Into<String>) -> Self {
        self.options.set_problem_documentation(url.into());
        self
    }

    /// Names this URL in every challenge as `resource_metadata` (RFC 9728, section 5.1), so that an agent finds out how to get
    /// a key. Default: none. Your application serves the metadata.
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.options.resource_metadata = Some(url.into());
        self
    }

    /// Words the bodies of all denials: HTML, another language, or an error format of your own. It is given the denial and
    /// what the request says that it understands, and returns content type and body. Status and headers stay as they
    /// are. Default: JSON, as [`Denial::default_body`] gives it.
    ///
    /// It does not word the answers to gRPC requests, because these have no body.
    ///
    /// ```
    /// use apikey_core::{Audience, Authenticator, Denial, DenialBody, Verifier};
    ///
    /// fn page(denial: &Denial, audience: &Audience) -> DenialBody {
    ///     if audience.accept().is_some_and(|accept| accept.contains("text/html")) {
    ///         DenialBody::new("text/html; charset=utf-8", format!("<p>Refused: {}</p>", denial.code()))
    ///     } else {
    ///         denial.default_body()
    ///     }
    /// }
    ///
    /// # fn example(verifier: impl Verifier) -> Result<(), apikey_core::ConfigError> {
    /// let keys = Authenticator::builder(verifier).denial_renderer(page).build()?;
    /// # Ok(()) }
    /// ```
    pub fn denial_renderer(
        mut self,
        render: impl Fn(&Denial, &Audience) -> DenialBody + Send + Sync + 'static,
    ) -> Self {
        self.options.denial_renderer = Some(DenialRenderer::new(render));
        self
    }
}
