//! What the filters extract.

apikey_core::adapter_keys! {
    /// The caller's key, as [`api_key`](crate::api_key) extracts it: verified and active, and it satisfies the
    /// filter's policy.
    ApiKey;

    /// The caller's key if the request presents one, as [`optional_api_key`](crate::optional_api_key) extracts it.
    MaybeApiKey;

    /// The caller's key with the scopes that the type names, as [`scoped`](crate::scoped) extracts it.
    ///
    /// `P` is a scope that [`scopes!`](crate::scopes) makes, a tuple of scopes (the key needs all of them), or
    /// [`AnyOf`](crate::AnyOf) around such a tuple (the key needs one of them). If a filter asks for less, it can't
    /// stand before a handler that takes this type: that does not compile.
    ///
    /// ```compile_fail
    /// use apikey_warp::{ApiKey, Authenticator, Policy, Scoped, api_key, scopes};
    /// use warp::Filter;
    ///
    /// scopes! { ReadUsers = "read:users"; }
    ///
    /// fn wrong(keys: Authenticator) {
    ///     let _ = api_key(&keys, Policy::any_key()).map(|key: Scoped<ReadUsers>| "users");
    /// }
    /// ```
    Scoped;
}
