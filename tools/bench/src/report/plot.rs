//! Draws the ratios of a report as an SVG: each is a bar with its bound, and a line from the lowest to the highest.

use std::fmt::Write as _;

use super::{Bound, Finding, Report, Unit};

const LINE: f64 = 22.0;
const LEFT: f64 = 420.0;
/// Pixels for a ratio of 1.
const SCALE: f64 = 300.0;
/// Longer bars are cut off here.
const LONGEST: f64 = 1.5;

/// The whole picture.
pub(crate) fn plot(report: &Report) -> String {
    let sections = report.sections.iter();
    let bars: Vec<(&str, &Finding)> = sections
        .flat_map(|section| section.findings.iter().map(|finding| (section.name.as_str(), finding)))
        .filter(|(_, finding)| finding.unit == Unit::Ratio)
        .collect();
    let height = LINE * (bars.len() as f64 + 3.0);
    let width = LEFT + SCALE * LONGEST + 60.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"16\">{}</text>\n",
        escaped(&format!("{}, {}", report.machine.processor, report.machine.pinning)),
    );
    for (index, (section, finding)) in bars.iter().enumerate() {
        bar(&mut svg, LINE * (index as f64 + 1.5), section, finding);
    }
    let (one, bottom) = (LEFT + SCALE, height - LINE);
    let _ = writeln!(
        svg,
        "<path d=\"M{one} {LINE}V{bottom}\" stroke=\"gray\" stroke-dasharray=\"2\"/>\n\
         <text x=\"{one}\" y=\"{}\" text-anchor=\"middle\">1</text>\n</svg>",
        bottom + 14.0
    );
    svg
}

fn bar(svg: &mut String, top: f64, section: &str, finding: &Finding) {
    let length = |ratio: f64| ratio.clamp(0.0, LONGEST) * SCALE;
    let color = match finding.kept {
        None => "#9aa5b1",
        Some(true) => "#4c9f70",
        Some(false) => "#c8553d",
    };
    let value = finding.value;
    let (middle, thickness) = (top + LINE / 2.0, LINE - 6.0);
    let label = escaped(&format!("{section}: {}", finding.what));
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text>\n\
         <rect x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"{thickness}\" fill=\"{color}\"/>\n\
         <path d=\"M{:.1} {middle}H{:.1}\" stroke=\"black\"/>\n\
         <text x=\"{:.1}\" y=\"{}\">{:.3}</text>",
        LEFT - 6.0,
        middle + 4.0,
        top + 3.0,
        length(value.median),
        LEFT + length(value.lowest),
        LEFT + length(value.highest),
        LEFT + length(value.median.max(value.highest)) + 4.0,
        middle + 4.0,
        value.median,
    );
    if let Some(Bound::AtLeast(bound) | Bound::AtMost(bound)) = finding.bound {
        let x = LEFT + length(bound);
        let _ = writeln!(svg, "<path d=\"M{x:.1} {top}v{LINE}\" stroke=\"black\" stroke-width=\"2\"/>");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::{Noise, Section, Spread};
    use super::*;
    use crate::machine::Machine;

    #[test]
    fn every_ratio_has_a_bar_and_nothing_else_has() {
        let ratio = Finding::new("Scoped<P>", Unit::Ratio, Spread::exactly(0.9)).bound(Bound::AtLeast(0.95));
        let count = Finding::new("calls", Unit::Count, Spread::exactly(1.0));
        let text = String::new;
        let report = Report {
            machine: Machine {
                processor: "A & B".to_owned(),
                cores: 2,
                kernel: text(),
                rustc: text(),
                pinning: text(),
            },
            quick: true,
            noise: Noise::default(),
            sections: vec![Section {
                name: "one".to_owned(),
                title: text(),
                loads: vec![],
                findings: vec![ratio, count],
            }],
            failures: vec![],
        };
        let svg = plot(&report);
        assert!(
            svg.contains("A &amp; B")
                && svg.contains("one: Scoped&lt;P&gt;")
                && svg.contains("width=\"270.0\"")
        );
        assert!(!svg.contains("calls"));
        assert!(svg.trim_end().ends_with("</svg>"));
    }
}
