//! A few seconds of the mixed soak, so that the oracle keeps working. It judges decisions and never speed.

use std::time::Duration;

use apikey_soak::mixed::{self, Settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_soak_finds_no_wrong_decision() {
    let settings = Settings {
        duration: Duration::from_secs(5),
        warm_up: Duration::from_millis(500),
        seed: 7,
        visitors: 12,
        pause: Duration::from_millis(20),
        peace: Duration::from_millis(600),
        failing: Duration::from_millis(400),
        crowd: 40,
        rush: 300,
        filling: 0,
        prints: false,
    };
    let outcome = mixed::run(&settings).await.unwrap();
    assert!(outcome.wrong.is_empty(), "seed {}:\n{}", settings.seed, outcome.wrong.join("\n"));
    assert!(outcome.judged > 500, "{outcome:?}");
    for row in outcome.decisions() {
        assert!(row.ok, "{row:?}");
    }
}
