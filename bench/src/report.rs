//! The figures, on the terminal and as Markdown. Never judges by absolute times: a target is a
//! ratio, a bound of the issue's, or nothing.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cpu::Spent;
use crate::load::precise;

const BEGIN: &str = "<!-- measured -->";
const END: &str = "<!-- /measured -->";

/// What a figure should reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64, &'static str),
}

/// One figure of the table.
#[derive(Debug)]
struct Figure {
    measure: String,
    rounds: Vec<Outcome>,
    target: Target,
}

/// The figure of one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    value: f64,
    /// Cores that others used in the worst of the round's measurements.
    others: f64,
}

impl Outcome {
    /// Whether others left the machine alone.
    pub(crate) fn is_calm(self) -> bool {
        self.others < CALM
    }
}

/// Cores that others may use during a measurement that counts.
const CALM: f64 = 0.3;

/// The values that count, sorted: of the calm rounds, or of all where there is none.
fn counted(rounds: &[Outcome]) -> Vec<f64> {
    let none = !rounds.iter().any(|round| round.is_calm());
    let counted = rounds.iter().filter(|round| none || round.is_calm());
    let mut values: Vec<f64> = counted.map(|round| round.value).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// A load, and its rounds: entries a second, the times to the acknowledgement, and what an entry
/// costs whom.
#[derive(Debug, Default)]
struct Cost {
    load: String,
    rounds: [Vec<Outcome>; COLUMNS.len()],
}

/// What a [`Cost`] holds, in this order; microseconds where nothing else is said.
const COLUMNS: [&str; 8] = [
    "entries/s",
    "p50 ms",
    "p99 ms",
    "service",
    "PostgreSQL",
    "OpenSearch",
    "generator",
    "others, cores",
];

/// All that was measured so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    conditions: Vec<String>,
    figures: Vec<Figure>,
    costs: Vec<Cost>,
    notes: Vec<String>,
    /// Cores that others used in the worst measurement of this round so far.
    worst: f64,
}

/// Rate and cost of one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) rate: f64,
    /// Entries in `spent`.
    pub(crate) entries: u64,
    pub(crate) seconds: f64,
    pub(crate) spent: Spent,
    /// Milliseconds; 0 where nobody waits.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// The middle of some figures; the mean of both where there are two.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

impl Report {
    pub(crate) fn condition(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.conditions.contains(&text) {
            self.conditions.push(text);
        }
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Begins a round: what others do from now on counts against it.
    pub(crate) fn begin(&mut self) {
        self.worst = 0.0;
    }

    /// A figure of this round.
    pub(crate) fn outcome(&self, value: f64) -> Outcome {
        Outcome {
            value,
            others: self.worst,
        }
    }

    /// Adds a row, from the figures of all rounds.
    pub(crate) fn figure(&mut self, measure: &str, rounds: Vec<Outcome>, target: Target) {
        println!("  {measure}: {}", number(median(&counted(&rounds))));
        self.figures.push(Figure {
            measure: measure.to_owned(),
            rounds,
            target,
        });
    }

    /// Adds one measurement of a load.
    pub(crate) fn round(&mut self, load: &str, round: Round) {
        let others = round.spent.others() / round.seconds;
        self.worst = self.worst.max(others);
        let there = self.costs.iter().position(|cost| cost.load == load);
        let at = there.unwrap_or_else(|| {
            self.costs.push(Cost {
                load: load.to_owned(),
                ..Cost::default()
            });
            self.costs.len() - 1
        });
        let micros = |seconds: f64| seconds * 1e6 / precise(round.entries.max(1));
        let Spent {
            service,
            postgres,
            opensearch,
            generator,
            ..
        } = round.spent;
        let [service, postgres, opensearch, generator] =
            [service, postgres, opensearch, generator].map(micros);
        let values = [
            round.rate, round.p50, round.p99, service, postgres, opensearch, generator, others,
        ];
        let mut line = Vec::new();
        for ((column, value), name) in self.costs[at].rounds.iter_mut().zip(values).zip(COLUMNS) {
            column.push(Outcome { value, others });
            line.push(format!("{name} {}", number(value)));
        }
        println!("  {load}: {}", line.join("; "));
    }

    /// Everything as Markdown.
    fn markdown(&self) -> Result<String> {
        let mut text = String::new();
        for condition in &self.conditions {
            writeln!(text, "- {condition}")?;
        }
        writeln!(
            text,
            "\n| measure | reached | range | calm rounds | target |\n|---|---|---|---|---|"
        )?;
        for figure in &self.figures {
            let counted = counted(&figure.rounds);
            let reached = median(&counted);
            let (target, good) = match figure.target {
                Target::AtLeast(least) => (format!("≥ {least}"), reached >= least),
                Target::AtMost(most, unit) => (format!("≤ {most}{unit}"), reached <= most),
            };
            let mark = if good { "" } else { " (missed)" };
            let calm = figure.rounds.iter().filter(|round| round.is_calm()).count();
            let all = figure.rounds.len();
            let span = match (counted.first(), counted.last()) {
                (Some(least), Some(most)) => format!("{}–{}", number(*least), number(*most)),
                _ => String::new(),
            };
            let (measure, reached) = (&figure.measure, number(reached));
            writeln!(
                text,
                "| {measure} | **{reached}**{mark} | {span} | {calm} of {all} | {target} |"
            )?;
        }
        writeln!(
            text,
            "\nMedians of the calm rounds, those in which others used less than {CALM} cores, or of \
             all where there was none. Processor time in microseconds an entry; others: cores that \
             other processes used.\n\n\
             | load | {} |\n|---|---|---|---|---|---|---|---|---|",
            COLUMNS.join(" | ")
        )?;
        for cost in &self.costs {
            let cells = cost
                .rounds
                .each_ref()
                .map(|rounds| number(median(&counted(rounds))));
            writeln!(text, "| {} | {} |", cost.load, cells.join(" | "))?;
        }
        for note in &self.notes {
            write!(text, "\n{note}\n")?;
        }
        Ok(text)
    }

    /// Prints everything, and puts it between the markers of a file.
    pub(crate) fn finish(&self, file: Option<&Path>) -> Result<()> {
        let text = self.markdown()?;
        println!("\n{text}");
        let Some(file) = file else {
            return Ok(());
        };
        let (head, tail) = around(file)?;
        std::fs::write(file, format!("{head}{BEGIN}\n{text}\n{END}{tail}"))?;
        Ok(())
    }
}

/// What stands before and behind the markers of a file, which must have them.
pub(crate) fn around(file: &Path) -> Result<(String, String)> {
    let page = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let parts = page
        .split_once(BEGIN)
        .and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.with_context(|| format!("{} has no {BEGIN}", file.display()))?;
    Ok((head.to_owned(), tail.to_owned()))
}

/// A line for whoever waits.
pub(crate) fn progress(text: &str) {
    println!("{text}");
}

/// Three significant digits, thousands apart.
pub(crate) fn number(value: f64) -> String {
    if value >= 1000.0 {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (nth, digit) in digits.chars().enumerate() {
            if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    } else if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_their_middle_is_taken() {
        for (value, text) in [
            (1_234_567.0, "1,234,567"),
            (999.5, "1000"),
            (48.26, "48.3"),
            (0.4, "0.40"),
        ] {
            assert_eq!(number(value), text);
        }
        for (figures, middle) in [
            (vec![3.0, 1.0, 2.0], 2.0),
            (vec![4.0, 1.0], 2.5),
            (vec![], 0.0),
        ] {
            assert!((median(&figures) - middle).abs() < f64::EPSILON);
        }
    }
}
