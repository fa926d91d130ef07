//! The primitives are those of the provider of TLS, so that a program has one implementation of them.

#[cfg(feature = "aws-lc-rs")]
pub(super) use aws_lc_rs::{aead, digest, hkdf, hmac};
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
pub(super) use ring::{aead, digest, hkdf, hmac};
