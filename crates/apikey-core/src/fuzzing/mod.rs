//! The checks of the fuzz targets in `fuzz/`, and tests that run their corpora through the same checks.
//!
//! Each check takes any bytes, reads an input of its own format from them, and panics if a promise is broken. It
//! finds out what is expected in another way than the code under test.

#![allow(clippy::expect_used, clippy::panic, reason = "a broken promise has to panic here")]

#[cfg(feature = "kinde")]
mod answers;
mod extraction;
mod forwarding;

#[cfg(feature = "kinde")]
pub use answers::answers;
pub use extraction::extraction;
pub use forwarding::forwarding;

/// The lines of an input. A header line can't hold a line feed, so line feeds can end lines without loss.
fn lines(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.split(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Runs every file of a target's corpus through the target's check.
    fn run(target: &str, check: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let mut files = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            check(&std::fs::read(path).unwrap());
            files += 1;
        }
        assert!(files > 0, "{} holds no corpus", folder.display());
    }

    #[test]
    fn the_corpus_of_extraction_keeps_the_promises() {
        run("extraction", super::extraction);
    }

    #[cfg(feature = "kinde")]
    #[test]
    fn the_corpus_of_answers_keeps_the_promises() {
        run("answers", super::answers);
    }

    #[test]
    fn the_corpus_of_forwarding_keeps_the_promises() {
        run("forwarding", super::forwarding);
    }
}
