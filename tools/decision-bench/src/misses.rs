//! Decides about many keys in random order, while callgrind simulates caches and counts the misses within [`counted`].

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use apikey_core::Policy;
use decision_bench::{LeastCached, bearer, decide, filled_by, random_order, secret, verification};

/// The header value of a request, in one line of the processor's cache. So each request brings exactly one line with
/// it, which is not the guard's.
#[repr(align(64))]
struct Header([u8; 64]);

/// How many decisions warm the processor's caches for each one that is measured.
const WARMING: usize = 10;

type Guard = Box<dyn Fn(&[u8]) -> bool>;

/// Fills a cache and writes a line. When the file exists, decides about keys to warm the processor's caches, and then
/// about this many others under [`counted`]. `cargo xtask instructions` turns the simulation on before it makes the
/// file: to fill a large cache under the simulation takes ten minutes.
pub(crate) fn run(guard: &str, keys: &str, times: &str, go: &Path) -> Result<(), String> {
    let keys: u64 = keys.parse().map_err(|_| format!("'{keys}' is not a number"))?;
    let times: usize = times.parse().map_err(|_| format!("'{times}' is not a number"))?;
    let guard = filled_guard(guard, keys)?;
    let length = bearer(0).len();
    let headers: Vec<Header> =
        random_order(keys, (WARMING + 1) * times).into_iter().map(|number| header(number as u64)).collect();
    println!("filled");
    std::io::stdout().flush().map_err(|error| error.to_string())?;
    while !go.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (warming, measured) = headers.split_at(WARMING * times);
    if !all(&*guard, warming, length) || !counted(&*guard, measured, length) {
        return Err("a key was not let in".to_owned());
    }
    // Under valgrind, to free a million entries takes longer than to measure.
    std::process::exit(0);
}

fn filled_guard(guard: &str, keys: u64) -> Result<Guard, String> {
    match guard {
        "ours" => {
            let (authenticator, policy) = (filled_by(keys, 256)?, Policy::all(["read:users"]));
            Ok(Box::new(move |value| {
                decide(&authenticator, &policy, value).is_some_and(|decided| black_box(decided).is_ok())
            }))
        }
        "least-cached" => {
            let known = |number| (secret(number), verification(number).key_id().to_owned());
            let guard = LeastCached::knowing((0..keys).map(known))?;
            Ok(Box::new(move |value| {
                guard.key_id(value).is_some_and(|id| black_box(id).as_bytes().first() == Some(&b'a'))
            }))
        }
        unknown => Err(format!("there is no guard '{unknown}'")),
    }
}

fn header(number: u64) -> Header {
    let mut bytes = [0; 64];
    bytes.iter_mut().zip(bearer(number)).for_each(|(byte, of_header)| *byte = of_header);
    Header(bytes)
}

/// `cargo xtask instructions` names this function to callgrind.
#[inline(never)]
fn counted(guard: &dyn Fn(&[u8]) -> bool, headers: &[Header], length: usize) -> bool {
    all(guard, headers, length)
}

fn all(guard: &dyn Fn(&[u8]) -> bool, headers: &[Header], length: usize) -> bool {
    headers.iter().all(|Header(bytes)| bytes.get(..length).is_some_and(|value| guard(black_box(value))))
}
