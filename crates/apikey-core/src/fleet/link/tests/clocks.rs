//! How far a store can stretch the life of entries by what its clock says.

use super::*;

/// A store plays a trick with its clock at each pull, and shows looks the least that the link expects, to within 50 ms. Returns by
/// how much an entry was believed to be younger than it is, beyond one part in 500 of its age.
fn longest_stretch(seed: u64) -> i128 {
    let mut random = Random::new(&[seed.to_le_bytes(), [0; 8]].concat().try_into().unwrap());
    let mut draw = |below: u64| u64::from_le_bytes(random.draw()[..8].try_into().unwrap()) % below;
    let mut case = Case::linked();
    let (mut shown, mut at) = (case.store_now().milliseconds, case.now);
    let mut entries: Vec<(u64, StoreTime)> = Vec::new();
    let mut longest = i128::MIN;
    let trick = seed % 6;
    while case.now < 400_000 {
        case.now += 200 + draw(100);
        let takes = draw(3) * 40;
        let sent = case.instant();
        let number = case.link.begin_pull(sent).number;
        case.now += takes;
        let passed = case.now - at;
        let is_expected =
            |milliseconds: u64| case.link.clock.expects(StoreTime { milliseconds }, sent, case.instant());
        let least = || (shown..shown + passed).find(|shown| is_expected(*shown)).unwrap_or(shown + passed);
        shown = match if trick == 5 { draw(20) } else { trick } {
            0 => least(),
            1 => shown + passed - passed / 400,
            2 => shown + passed.saturating_sub(250),
            3 => shown + passed + 250 - 500 * draw(2),
            4 => shown + passed + draw(2_000),
            5 => shown.saturating_sub(draw(20_000)),
            _ => shown + passed,
        };
        at = case.now;
        let page = Page { now: StoreTime { milliseconds: shown }, ..case.page(true, &[]) };
        case.link.pulled(number, page, case.instant());
        if draw(20) == 0 {
            let stamp = case.link.stamp(case.instant(), case.instant());
            entries.extend(stamp.map(|stamp| (case.now, stamp)));
        }
        for (asked, asked_at) in &entries {
            let believed = (0..8).find_map(|step| {
                let (sent, received) = (case.instant(), case.instant());
                let store_now = StoreTime { milliseconds: (shown + 50 * step).saturating_sub(300) };
                let entry = Travelled { head: [1; 16], asked_at: *asked_at, store_now, sent, received };
                case.judge_entry(&entry)
            });
            let allowed = i128::from(case.now - asked) / 500;
            longest = believed
                .map_or(longest, |believed| longest.max(i128::from(believed) - i128::from(*asked) - allowed));
        }
    }
    longest
}

#[test]
fn no_clock_of_a_store_stretches_a_life_by_more_than_a_500th() {
    for seed in 0..24 {
        let longest = longest_stretch(seed);
        assert!(longest <= 1, "seed {seed}: believed to be {longest} ms younger");
    }
}

#[test]
fn a_clock_that_is_slewed_by_a_thousandth_is_expected() {
    let mut case = Case::linked();
    for _ in 0..4_000 {
        case.now += 250;
        let lost = (case.now - 3_000) / 1_000;
        let store_now = StoreTime { milliseconds: case.store_now().milliseconds - lost };
        case.pull_page(Page { now: store_now, ..case.page(true, &[]) });
    }
    assert!(case.link.clock.is_above_floor(StoreTime { milliseconds: 1_000_000 }));
}
