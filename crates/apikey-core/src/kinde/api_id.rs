//! Checks the id of an API as people write it. Pure.

/// The longest id of an API, in bytes. Kinde's have about 32.
const LONGEST: usize = 256;

/// # Errors
/// Says what is wrong, without repeating the id. Somebody may have pasted a secret there.
pub(super) fn check_api_id(api_id: &str, has_token: bool) -> Result<(), &'static str> {
    if api_id.is_empty() {
        return Err("the id of the API is empty");
    }
    if api_id.len() > LONGEST {
        return Err("the id of an API has at most 256 characters");
    }
    if !api_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        return Err(
            "expected the id of an API, such as api_123, which has letters, digits, hyphens and underscores only; it is \
             not the API's name or audience",
        );
    }
    if !has_token {
        return Err(
            "Kinde tells only the holder of a token for which APIs a key is: set the credentials of a machine-to-machine \
             application instead of verifying without a token, or unset this",
        );
    }
    Ok(())
}
