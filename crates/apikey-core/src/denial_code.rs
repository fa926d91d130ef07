//! The table of denials.

use std::fmt;

use serde::{Serialize, Serializer};

/// Whether a response challenges the caller to present a key, and with which error (RFC 6750, section 3).
#[derive(Clone, Copy)]
pub(crate) enum Challenge {
    /// No challenge, because presenting the key again would not help.
    None,
    Bare,
    Error(&'static str),
    /// `insufficient_scope`, with the scopes that the policy names.
    Scope,
}

pub(crate) struct Row {
    status: u16,
    code: &'static str,
    message: &'static str,
    pub(crate) challenge: Challenge,
}

macro_rules! denial_table {
    ($($variant:ident: $status:literal $code:literal $message:literal $challenge:expr, $doc:literal;)*) => {
        /// Every reason for which a request is refused.
        ///
        /// The texts of [`as_str`](Self::as_str) are stable. Programs may depend on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum DenialCode {
            $(
                #[doc = concat!("`", $code, "`, status ", stringify!($status), ", “", $message, "”: ", $doc, ".")]
                $variant,
            )*
        }

        impl DenialCode {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub(crate) const fn row(self) -> Row {
                match self {
                    $(Self::$variant => Row {
                        status: $status,
                        code: $code,
                        message: $message,
                        challenge: $challenge,
                    },)*
                }
            }

            /// When this is the response, in a few words.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

denial_table! {
    MissingKey: 401 "MISSING_KEY" "No authorization header" Challenge::Bare,
        "the request presents no key";
    InvalidFormat: 401 "INVALID_FORMAT" "Invalid authorization format" Challenge::Error("invalid_token"),
        "the header has another scheme, or the text can't be a key";
    MultipleKeys: 400 "MULTIPLE_KEYS" "More than one API key presented" Challenge::Error("invalid_request"),
        "the header is repeated, or the request presents keys in two places";
    InvalidKey: 401 "INVALID_KEY" "Invalid API key" Challenge::Error("invalid_token"),
        "Kinde says that the key is not valid";
    KeyRevoked: 401 "KEY_REVOKED" "API key is not active" Challenge::Error("invalid_token"),
        "the key has been revoked";
    KeyInactive: 401 "KEY_INACTIVE" "API key is not active" Challenge::Error("invalid_token"),
        "the key is not active";
    InsufficientScope: 403 "INSUFFICIENT_SCOPE" "Insufficient scope. Required: …" Challenge::Scope,
        "the key lacks scopes; the message names them";
    OrganizationKeyRequired: 403 "ORGANIZATION_KEY_REQUIRED" "An organization API key is required" Challenge::None,
        "the route takes only keys of organizations";
    UserKeyRequired: 403 "USER_KEY_REQUIRED" "A user API key is required" Challenge::None,
        "the route takes only keys of users";
    OrganizationMismatch: 403 "ORGANIZATION_MISMATCH" "API key belongs to another organization" Challenge::None,
        "the key belongs to another organization";
    ApiMismatch: 403 "API_MISMATCH" "API key is not for this API" Challenge::None,
        "the key is for other APIs than this one";
    RateLimited: 429 "RATE_LIMITED" "Too many verification attempts" Challenge::None,
        "the client has used up its verification attempts";
    VerificationUnavailable: 503 "VERIFICATION_UNAVAILABLE" "API key verification is temporarily unavailable" Challenge::None,
        "the key can't be verified now, and may be good";
    InternalError: 500 "INTERNAL_ERROR" "Internal server error" Challenge::None,
        "this service is set up wrong; its log says what to change";
}

impl DenialCode {
    /// The stable text in the body's `code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().code
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// The status in an answer to a gRPC request.
    #[must_use]
    pub const fn grpc_status(self) -> u8 {
        match self.status() {
            400 => 3,  // INVALID_ARGUMENT
            401 => 16, // UNAUTHENTICATED
            403 => 7,  // PERMISSION_DENIED
            429 => 8,  // RESOURCE_EXHAUSTED
            503 => 14, // UNAVAILABLE
            _ => 13,   // INTERNAL
        }
    }

    /// What the code means, as the title of a problem (RFC 9457, section 3.1.3).
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::InsufficientScope => "Insufficient scope",
            _ => self.message(),
        }
    }

    /// Whether the same request may succeed later, if the caller waits as `Retry-After` says.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::VerificationUnavailable)
    }

    /// The message, without what one request adds to it.
    #[must_use]
    pub const fn message(self) -> &'static str {
        self.row().message
    }
}

impl fmt::Display for DenialCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Serializes as its stable text.
impl Serialize for DenialCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
