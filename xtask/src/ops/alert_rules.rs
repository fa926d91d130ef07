//! The alert rules, and how their times are shortened.
//!
//! This reads only the form in which `ops/alerts.yml` is written: `- alert:` begins a rule, and each time stands in brackets
//! or after `for:`. `promtool` checks that the file is YAML and a rule file.

use std::time::Duration;

/// An alert rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name of the alert.
    pub name: String,
    /// How long the expression must be true before the alert fires.
    pub delay: Duration,
    /// The rule as it is written, without the name.
    pub text: String,
}

/// All rules of a file.
///
/// # Errors
/// If a delay can't be read.
pub fn rules(text: &str) -> Result<Vec<Rule>, String> {
    let rules = text.split("- alert:").skip(1).map(|rule| {
        let (name, text) = rule.split_once('\n').unwrap_or((rule, ""));
        let delay = text.lines().find_map(|line| line.trim_start().strip_prefix(FOR));
        let delay = delay.map_or(Ok(Duration::ZERO), |delay| duration(delay.trim()));
        Ok(Rule { name: name.trim().to_owned(), delay: delay?, text: text.to_owned() })
    });
    rules.collect()
}

const FOR: &str = "for:";

/// The same file with every time divided by this factor.
///
/// # Errors
/// If something in brackets or after `for:` is no time, or can't be divided to whole milliseconds.
pub fn shortened(text: &str, factor: u32) -> Result<String, String> {
    let mut short = String::with_capacity(text.len());
    for line in text.lines() {
        short.push_str(&shortened_line(line, factor)?);
        short.push('\n');
    }
    Ok(short)
}

fn shortened_line(line: &str, factor: u32) -> Result<String, String> {
    let code = line.trim_start();
    if code.starts_with('#') {
        return Ok(line.to_owned());
    }
    if let Some(delay) = code.strip_prefix(FOR) {
        let before = &line[..line.len() - delay.len()];
        return Ok(format!("{before} {}", divided(delay.trim(), factor)?));
    }
    let (mut short, mut rest) = (String::new(), line);
    while let Some((before, within)) = rest.split_once('[') {
        let (window, after) = within.split_once(']').ok_or_else(|| format!("'[' without ']' in: {line}"))?;
        short += &format!("{before}[{}]", divided(window, factor)?);
        rest = after;
    }
    Ok(short + rest)
}

/// A time, divided by the factor, as Prometheus reads it.
fn divided(time: &str, factor: u32) -> Result<String, String> {
    let whole = duration(time)?;
    let part = whole / factor;
    let milliseconds = part.as_millis();
    if part * factor != whole || Duration::from_millis(milliseconds as u64) != part {
        return Err(format!("{time} divided by {factor} is not a whole number of milliseconds"));
    }
    Ok(format!("{milliseconds}ms"))
}

/// Reads a whole number with one of the units `s`, `m` and `h`.
fn duration(time: &str) -> Result<Duration, String> {
    let unit = time.chars().next_back().and_then(|unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        _ => None,
    });
    let number = time.get(..time.len().saturating_sub(1)).and_then(|number| number.parse::<u32>().ok());
    match (number, unit) {
        (Some(number), Some(unit)) => Ok(Duration::from_secs(u64::from(number) * unit)),
        _ => Err(format!("'{time}' is no time with one of the units s, m and h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# A comment [with brackets], for: 5m
groups:
  - name: apikey
    rules:
      - alert: First
        expr: |
          sum(rate(one[5m])) / sum(rate(two{code=\"A\"}[90s])) > 0.05
        for: 2m
        annotations:
          description: It lasts for 5m.
      - alert: Second
        expr: one > last_over_time(one[1h])
";

    #[test]
    fn every_time_is_divided_and_nothing_else_changes() {
        let short = FILE
            .replace("[5m]", "[10000ms]")
            .replace("[90s]", "[3000ms]")
            .replace("        for: 2m", "        for: 4000ms")
            .replace("[1h]", "[120000ms]");
        assert_eq!(shortened(FILE, 30).unwrap(), short);
    }

    #[test]
    fn a_time_that_cannot_be_divided_is_refused() {
        for (line, factor) in [("for: 1s", 3), ("a[5m:30s]", 1), ("a[b]", 1), ("for: 5", 1), ("for: 1.5m", 1)]
        {
            assert!(shortened(line, factor).is_err(), "{line}");
        }
    }

    #[test]
    fn a_rule_has_a_name_and_a_delay() {
        let rules = rules(FILE).unwrap();
        let read: Vec<_> = rules.iter().map(|rule| (&*rule.name, rule.delay.as_secs())).collect();
        assert_eq!(read, [("First", 120), ("Second", 0)]);
        assert!(rules[0].text.contains("It lasts") && !rules[0].text.contains("last_over_time"));
    }
}
