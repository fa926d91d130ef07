//! Secrets that a test can search for without holding them.

use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

/// The length of a secret, and of each of the two pieces in its middle that are searched for. The allocator uses the
/// first bytes of a freed block.
const LENGTH: usize = 64;
const PIECE: usize = 16;
const PAGE: usize = 4096;
/// The mask of the secret's bytes, so that this copy is not the secret.
const MASK: u8 = 0x80;

/// A masked key of the right form.
pub(super) struct Secret([u8; LENGTH]);

impl Secret {
    pub(super) fn random() -> Self {
        let mut bytes = [0; LENGTH];
        getrandom::fill(&mut bytes).unwrap();
        let alphabet = b"abcdefghijkmnpqrstuvwxyzABCDEFGH";
        Self(bytes.map(|byte| alphabet[usize::from(byte % 32)] ^ MASK))
    }

    /// The secret with text around it, in a buffer that is overwritten.
    pub(super) fn between(&self, before: &[u8], after: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut text = Zeroizing::new(Vec::with_capacity(before.len() + LENGTH + after.len()));
        text.extend_from_slice(before);
        text.extend(self.0.iter().map(|byte| byte ^ MASK));
        text.extend_from_slice(after);
        text
    }

    /// Whether any memory that this process may write to holds a piece of the secret.
    pub(super) fn is_in_memory(&self) -> bool {
        // Another search copies memory into its buffer, this secret included, until it ends.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = File::open("/proc/self/mem").unwrap();
        let maps = read_to_string("/proc/self/maps").unwrap();
        let regions = maps.lines().filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (range, rights) = (fields.next()?, fields.next()?);
            let (start, end) = range.split_once('-')?;
            let address = |text| u64::from_str_radix(text, 16).ok();
            rights.starts_with("rw").then_some((address(start)?, address(end)?))
        });
        let mut buffer = Zeroizing::new(vec![0; 1 << 20]);
        for (start, end) in regions {
            let mut at = start;
            while at < end {
                let length = usize::try_from(end - at).unwrap().min(buffer.len());
                // Some regions belong to the kernel, and some are gone by now.
                let Ok(read) = memory.read_at(&mut buffer[..length], at) else { break };
                if self.is_in(&buffer[..read]) {
                    return true;
                }
                if read <= PIECE || read < length || at + read as u64 == end {
                    break;
                }
                // A piece may cross the end of a chunk.
                at += (read - PIECE) as u64;
            }
        }
        false
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        // Most pages are empty, and it is quick to compare a whole one.
        let used = (0..bytes.len()).step_by(PAGE).filter(|at| {
            let page = &bytes[*at..bytes.len().min(at + PAGE)];
            page != &[0; PAGE][..page.len()]
        });
        used.into_iter().any(|at| {
            let page = &bytes[at.saturating_sub(PIECE)..bytes.len().min(at + PAGE)];
            self.0.chunks(PIECE).skip(1).take(2).any(|piece| holds(page, piece))
        })
    }
}

/// Whether these bytes hold the unmasked piece.
fn holds(bytes: &[u8], masked: &[u8]) -> bool {
    let first = masked[0] ^ MASK;
    let mut rest = bytes;
    while let Some(found) = rest.iter().position(|byte| *byte == first) {
        let here = &rest[found..];
        if here.len() >= PIECE && here.iter().zip(masked).all(|(byte, masked)| byte ^ MASK == *masked) {
            return true;
        }
        rest = &here[1..];
    }
    false
}
