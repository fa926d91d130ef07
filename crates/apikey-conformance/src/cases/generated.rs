//! Generated header values. A second parser says what each of them presents.

use crate::{
    adapter::Subject,
    client::get,
    expected::*,
    grammar::{self, Generator, SEED_VARIABLE, Verdict},
    world::World,
};
use apikey_core::CredentialSource;

const VALUES: usize = 250;

pub async fn near_misses_of_a_bearer_key_are_told_from_keys(subject: Subject) {
    let world = World::uncached(subject).await;
    let each = Generator::near_bearer;
    all_agree(&world, "Authorization", each, grammar::bearer, &missing_key()).await;
}

pub async fn near_misses_of_a_key_alone_are_told_from_keys(subject: Subject) {
    let settings = [CredentialSource::header("X-Api-Key")];
    let world = World::with(subject, |builder| {
        builder.cache_time_to_live(std::time::Duration::ZERO).credential_sources(settings)
    })
    .await;
    let missing = missing_key().saying("No X-Api-Key header");
    all_agree(&world, "X-Api-Key", Generator::near_bare, grammar::bare, &missing).await;
}

async fn all_agree(
    world: &World,
    header: &str,
    generate: fn(&mut Generator, &str) -> Vec<u8>,
    read: fn(&[u8]) -> Verdict,
    missing: &Denied,
) {
    let mut generator = Generator::from_environment();
    let mut session = world.session().await;
    for turn in 0..VALUES {
        let value = generate(&mut generator, &world.reader.secret);
        let is_dropped =
            world.differences.drops_values_that_are_not_utf8 && std::str::from_utf8(&value).is_err();
        let verdict = if is_dropped { Verdict::Nothing } else { read(&value) };
        let note = format!("(value {turn} of {SEED_VARIABLE}={}: {verdict:?})", generator.seed());
        let answer = session.send(get("/me").header(header, &value).note(&note)).await;
        let calls = match &verdict {
            Verdict::Nothing => {
                answer.is_denied(missing);
                0
            }
            Verdict::Malformed => {
                answer.is_denied(&invalid_format());
                0
            }
            Verdict::Key(key) => {
                if *key == world.reader.secret {
                    answer.is_me(&world.reader);
                } else {
                    answer.is_denied(&invalid_key());
                }
                assert_eq!(
                    world.emulator.verify_calls_for(key),
                    1,
                    "Kinde was asked about another key {note}"
                );
                1
            }
        };
        assert_eq!(world.calls(), calls, "{note} {}", value.escape_ascii());
    }
}
