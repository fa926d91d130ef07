//! A second parser for header values, and a generator of values that are nearly right.
//!
//! The parser is a small automaton over bytes, and differs from the core's on purpose: if the two disagree, one is
//! wrong.

use std::env;

/// The environment variable that replaces the seed.
pub(crate) const SEED_VARIABLE: &str = "APIKEY_CONFORMANCE_SEED";
const DEFAULT_SEED: u64 = 20_260_401;

/// What a value presents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Nothing,
    Malformed,
    Key(String),
}

#[derive(Clone, Copy)]
enum State {
    /// This many letters of the scheme were read.
    Scheme(usize),
    Gap,
    Body,
    Padding,
}

/// `OWS [ "Bearer" 1*SP token68 ] OWS`, with the scheme in any case and a key of at most 512 bytes.
pub(crate) fn bearer(value: &[u8]) -> Verdict {
    read(value, State::Scheme(0))
}

/// `OWS [ token68 ] OWS`, with a key of at most 512 bytes.
pub(crate) fn bare(value: &[u8]) -> Verdict {
    read(value, State::Gap)
}

fn read(value: &[u8], start: State) -> Verdict {
    let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let Some(first) = value.iter().position(|byte| !is_blank(byte)) else { return Verdict::Nothing };
    let last = value.iter().rposition(|byte| !is_blank(byte)).unwrap_or(first);
    let mut state = start;
    let mut key = String::new();
    for &byte in &value[first..=last] {
        state = match (state, byte) {
            (State::Scheme(6), b' ') | (State::Gap, b' ') => State::Gap,
            (State::Scheme(so_far), letter) if b"bearer".get(so_far) == Some(&(letter | 0x20)) => {
                State::Scheme(so_far + 1)
            }
            (State::Gap | State::Body, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9')
            | (State::Gap | State::Body, b'-' | b'.' | b'_' | b'~' | b'+' | b'/') => State::Body,
            (State::Body | State::Padding, b'=') => State::Padding,
            _ => return Verdict::Malformed,
        };
        if matches!(state, State::Body | State::Padding) {
            key.push(char::from(byte));
        }
    }
    match state {
        State::Body | State::Padding if key.len() <= 512 => Verdict::Key(key),
        _ => Verdict::Malformed,
    }
}

/// Makes values that are right, or wrong in one to three places. They contain no control character except the tab,
/// because HTTP servers refuse to read the others.
pub(crate) struct Generator {
    seed: u64,
    state: u64,
}

impl Generator {
    /// With the seed from the environment, or the default one.
    ///
    /// # Panics
    ///
    /// If the environment's seed is not a number.
    pub(crate) fn from_environment() -> Self {
        let seed = env::var(SEED_VARIABLE).ok().map(|text| {
            text.parse().unwrap_or_else(|_| panic!("{SEED_VARIABLE} is not a number of 64 bits: {text:?}"))
        });
        let seed = seed.unwrap_or(DEFAULT_SEED);
        Self { seed, state: seed }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// A value close to `Bearer <key>`, often with this key.
    pub(crate) fn near_bearer(&mut self, key: &str) -> Vec<u8> {
        let scheme = match self.below(8) {
            0 => {
                *self.pick(&["Basic ", "Token ", "Bearer: ", "Bearer\t", "Bear er ", "Bearer=", "", "Bearer"])
            }
            1 => *self.pick(&["bearer ", "BEARER ", "bEaReR ", "Bearer  ", "Bearer    ", "\tBearer "]),
            _ => "Bearer ",
        };
        let value = [scheme.as_bytes(), &self.some_key(key)].concat();
        self.mutated(value)
    }

    /// A value close to a key alone.
    pub(crate) fn near_bare(&mut self, key: &str) -> Vec<u8> {
        let value = self.some_key(key);
        self.mutated(value)
    }

    fn some_key(&mut self, known: &str) -> Vec<u8> {
        const TOKEN68: &[u8] = b"ABCXYZabcxyz0189-._~+/";
        let length = match self.below(8) {
            0..3 => return known.as_bytes().to_vec(),
            3 => 510 + self.below(5),
            _ => 1 + self.below(40),
        };
        let padding = if self.below(4) == 0 { self.below(3) } else { 0 };
        let mut key: Vec<u8> = (0..length).map(|_| *self.pick(TOKEN68)).collect();
        key.extend(std::iter::repeat_n(b'=', padding));
        key
    }

    fn mutated(&mut self, mut value: Vec<u8>) -> Vec<u8> {
        const ODD: &[&[u8]] = &[
            b" ",
            b"\t",
            b",",
            b";",
            b"\"",
            b"=",
            b":",
            b"\\",
            b"@",
            b"%20",
            b"(",
            b"*",
            b"\xc3\xa9",
            b"\xe2\x80\x8b",
            b"\xe9",
            b"\x80",
            b"\xff\xfe",
        ];
        const AFTER: &[&[u8]] =
            &[b" ", b"\t", b" \t ", b"=", b"==", b" x", b",", b", Bearer x", b";q=1", b"\xff"];
        const BEFORE: &[&[u8]] = &[b" ", b"\t", b"x", b",", b"Bearer ", b"\xff"];
        let mutations = match self.below(10) {
            0..4 => 0,
            4..8 => 1,
            8 => 2,
            _ => 3,
        };
        for _ in 0..mutations {
            let place = self.below(value.len() + 1);
            match self.below(6) {
                0 => drop(value.splice(place..place, self.pick(ODD).iter().copied())),
                1 if place < value.len() => drop(value.splice(place..=place, self.pick(ODD).iter().copied())),
                2 if place < value.len() => drop(value.remove(place)),
                3 if place < value.len() => {
                    value[place] ^= if value[place].is_ascii_alphabetic() { 0x20 } else { 0 }
                }
                4 => drop(value.splice(0..0, self.pick(BEFORE).iter().copied())),
                _ => value.extend(self.pick(AFTER).iter()),
            }
        }
        value
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_reading_reads() {
        let key = |key: &str| Verdict::Key(key.to_owned());
        for (value, verdict) in [
            ("Bearer k", key("k")),
            ("\t bEARER   k-._~+/==  ", key("k-._~+/==")),
            (" \t", Verdict::Nothing),
            ("", Verdict::Nothing),
            ("Bearer", Verdict::Malformed),
            ("Bearer ", Verdict::Malformed),
            ("Bearer\tk", Verdict::Malformed),
            ("Bearer =", Verdict::Malformed),
            ("Bearer a=b", Verdict::Malformed),
            ("Bearer k k", Verdict::Malformed),
            ("Bearerr k", Verdict::Malformed),
            ("k", Verdict::Malformed),
        ] {
            assert_eq!(bearer(value.as_bytes()), verdict, "{value:?}");
        }
        assert_eq!((bare(b" k= "), bare(b"Bearer k")), (key("k="), Verdict::Malformed));
        assert_eq!(bare(&[b'a'; 513]), Verdict::Malformed);
    }

    #[test]
    fn the_generator_makes_good_and_bad_values_that_a_server_reads() {
        let mut generator = Generator { seed: 1, state: 1 };
        let values: Vec<Vec<u8>> = (0..400).map(|_| generator.near_bearer("k_live_1")).collect();
        let readable = |byte: &u8| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f);
        assert!(values.iter().flatten().all(readable));
        let count =
            |wanted: fn(&Verdict) -> bool| values.iter().filter(|value| wanted(&bearer(value))).count();
        assert!(count(|verdict| matches!(verdict, Verdict::Key(_))) > 80);
        assert!(count(|verdict| *verdict == Verdict::Malformed) > 80);
        assert!(count(|verdict| *verdict == Verdict::Key("k_live_1".to_owned())) > 20);
    }
}
