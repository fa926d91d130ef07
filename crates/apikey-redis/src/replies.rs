//! Reads what the scripts return. Nothing of it is believed to be well-formed.

use std::time::Duration;

use apikey_core::fleet::{Entry, Pulled, Record, StoreTime, Taken, Tip, WindowId};

use crate::client::Reply;

/// How many digits a moment has at the beginning of an entry. Every moment fits.
pub(crate) const MOMENT_DIGITS: usize = 20;

/// A moment as text that sorts like the moment.
pub(crate) fn moment(time: StoreTime) -> String {
    format!("{:0MOMENT_DIGITS$}", time.milliseconds)
}

/// An entry. Bytes that are none are as good as nothing.
pub(crate) fn entry(bytes: &[u8]) -> Option<Entry> {
    let (moment, sealed) = bytes.split_at_checked(MOMENT_DIGITS)?;
    let milliseconds = std::str::from_utf8(moment).ok()?.parse().ok()?;
    Some(Entry { asked_at: StoreTime { milliseconds }, sealed: sealed.to_vec() })
}

/// The reply to `TIME`, or the same two numbers from a script.
pub(crate) fn time(seconds: Reply, microseconds: Reply) -> Option<StoreTime> {
    let (seconds, microseconds) = (seconds.into_number()?, microseconds.into_number()?);
    let milliseconds = seconds.checked_mul(1_000)?.checked_add(microseconds / 1_000)?;
    Some(StoreTime { milliseconds })
}

/// What the script `pull` returns. `number` is that of the connection.
pub(crate) fn pulled(reply: Reply, number: u64) -> Option<Pulled> {
    let [seconds, microseconds, run, goes_on, more, records] = reply.into_array()?;
    let run = run.into_text()?;
    Some(Pulled {
        now: time(seconds, microseconds)?,
        run: if run.is_empty() { format!("connection {number}") } else { run },
        goes_on: goes_on.into_number()? == 1,
        records: records.into_list()?.into_iter().map(record).collect::<Option<_>>()?,
        more: more.into_number()? == 1,
    })
}

/// A record: its place, then the values of its fields `i`, `o` and `b`.
fn record(reply: Reply) -> Option<(Tip, StoreTime, Record)> {
    let [place, fields] = reply.into_array()?;
    let [id, origin, sealed] = fields.into_array()?;
    let place = place.into_text()?;
    let milliseconds = place.split_once('-')?.0.parse().ok()?;
    let id = id.into_bytes()?.try_into().ok()?;
    let origin = origin.into_bytes()?.try_into().ok()?;
    let record = Record { id, origin, sealed: sealed.into_bytes()? };
    Some((Tip { place, id }, StoreTime { milliseconds }, record))
}

/// What the script `take` returns.
pub(crate) fn taken(reply: Reply, window: Duration) -> Option<Taken> {
    let [is_counted, more, is_used_up] = reply.into_array()?;
    if is_counted.into_number()? == 1 {
        return Some(Taken::Counted(WindowId(more.into_bytes()?.try_into().ok()?)));
    }
    let resets_in = Duration::from_millis(more.into_number()?).min(window);
    Some(Taken::Full { resets_in, is_used_up: is_used_up.into_number()? == 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Reply {
        Reply::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let asked_at = StoreTime { milliseconds: u64::MAX };
        let written = [moment(asked_at).as_bytes(), b"sealed"].concat();
        assert_eq!(entry(&written), Some(Entry { asked_at, sealed: b"sealed".to_vec() }));
        assert!(moment(StoreTime { milliseconds: 9 }) < moment(StoreTime { milliseconds: 10 }));
    }

    #[test]
    fn bytes_of_others_are_no_entry() {
        for odd in ["", "1", "not a moment at all!", "99999999999999999999sealed", "-0000000000000000001x"] {
            assert_eq!(entry(odd.as_bytes()), None, "{odd}");
        }
    }

    #[test]
    fn odd_replies_are_refused() {
        let good = |place: &str, fields: Vec<Reply>| {
            let record = Reply::List(vec![bytes(place), Reply::List(fields)]);
            let records = Reply::List(vec![record]);
            Reply::List(vec![
                bytes("7"),
                bytes("1999"),
                bytes("run"),
                Reply::Number(1),
                Reply::Number(0),
                records,
            ])
        };
        let id = || bytes("0123456789abcdef");
        let fields = || vec![id(), id(), bytes("sealed")];
        let read = pulled(good("5-1", fields()), 3).unwrap();
        assert_eq!((read.now.milliseconds, read.run.as_str(), read.goes_on), (7001, "run", true));
        assert_eq!(read.records[0].1.milliseconds, 5);
        assert_eq!(pulled(good("here", fields()), 3), None);
        let mut short = fields();
        short[0] = bytes("short");
        assert_eq!(pulled(good("5-1", short), 3), None);
        assert_eq!(pulled(Reply::Nothing, 3), None);
        let short = vec![Reply::Number(1), bytes("short"), Reply::Number(0)];
        assert_eq!(taken(Reply::List(short), Duration::ZERO), None);
    }

    #[test]
    fn no_window_ends_later_than_a_whole_one() {
        let minute = Duration::from_secs(60);
        let full = Reply::List(vec![Reply::Number(0), Reply::Number(3_600_000), Reply::Number(1)]);
        assert_eq!(taken(full, minute), Some(Taken::Full { resets_in: minute, is_used_up: true }));
    }

    #[test]
    fn a_server_that_hides_its_run_has_one_for_each_connection() {
        let reply = Reply::List(vec![
            bytes("7"),
            bytes("0"),
            bytes(""),
            Reply::Number(0),
            Reply::Number(0),
            Reply::List(Vec::new()),
        ]);
        assert_eq!(pulled(reply.clone(), 3).unwrap().run, "connection 3");
        assert_ne!(pulled(reply.clone(), 3).unwrap().run, pulled(reply, 4).unwrap().run);
    }
}
