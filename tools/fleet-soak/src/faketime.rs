//! The library that gives a process another clock.

use std::path::Path;

/// Debian's package `libfaketime`: unpacked by `cargo xtask fleet --install`, or installed.
///
/// # Errors
/// How to install it.
pub(crate) fn library() -> Result<String, String> {
    let file = format!("usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/faketime");
    let places = [Path::new(target), Path::new("/")].map(|folder| folder.join(&file));
    let found = places.into_iter().find(|place| place.exists());
    found.map(|place| place.display().to_string()).ok_or_else(|| {
        "libfaketime is missing. `cargo xtask fleet --install` downloads it as root on Debian".to_owned()
    })
}
