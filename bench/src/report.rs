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
    /// Of all rounds, sorted.
    rounds: Vec<f64>,
    target: Target,
}

/// A rate, and what an entry costs.
#[derive(Debug, Default)]
struct Cost {
    load: String,
    rates: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    service: Vec<f64>,
    postgres: Vec<f64>,
    generator: Vec<f64>,
    others: Vec<f64>,
}

/// All that was measured so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    conditions: Vec<String>,
    figures: Vec<Figure>,
    costs: Vec<Cost>,
    notes: Vec<String>,
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

    /// Adds a row, the ratios of all rounds.
    pub(crate) fn figure(&mut self, measure: &str, mut rounds: Vec<f64>, target: Target) {
        rounds.sort_by(f64::total_cmp);
        println!("  {measure}: {}", number(median(&rounds)));
        self.figures.push(Figure {
            measure: measure.to_owned(),
            rounds,
            target,
        });
    }

    /// Adds one round of a load.
    pub(crate) fn round(&mut self, load: &str, round: Round) {
        let at = self
            .costs
            .iter()
            .position(|cost| cost.load == load)
            .unwrap_or_else(|| {
                self.costs.push(Cost {
                    load: load.to_owned(),
                    ..Cost::default()
                });
                self.costs.len() - 1
            });
        let cost = &mut self.costs[at];
        let micros = |seconds: f64| seconds * 1e6 / precise(round.entries.max(1));
        cost.rates.push(round.rate);
        cost.p50.push(round.p50);
        cost.p99.push(round.p99);
        cost.service.push(micros(round.spent.service));
        cost.postgres.push(micros(round.spent.postgres));
        cost.generator.push(micros(round.spent.generator));
        cost.others.push(round.spent.others() / round.seconds);
        println!(
            "  {load}: {}/s, p99 {} ms, CPU us/entry service {} PostgreSQL {} generator {}, others {} cores",
            number(round.rate),
            number(round.p99),
            number(micros(round.spent.service)),
            number(micros(round.spent.postgres)),
            number(micros(round.spent.generator)),
            number(round.spent.others() / round.seconds),
        );
    }

    /// Everything as Markdown.
    fn markdown(&self) -> Result<String> {
        let mut text = String::new();
        for condition in &self.conditions {
            writeln!(text, "- {condition}")?;
        }
        writeln!(
            text,
            "\n| measure | reached | rounds | target |\n|---|---|---|---|"
        )?;
        for figure in &self.figures {
            let reached = median(&figure.rounds);
            let (target, good) = match figure.target {
                Target::AtLeast(least) => (format!("≥ {least}"), reached >= least),
                Target::AtMost(most, unit) => (format!("≤ {most}{unit}"), reached <= most),
            };
            let mark = if good { "" } else { " (missed)" };
            let span = match (figure.rounds.first(), figure.rounds.last()) {
                (Some(least), Some(most)) if figure.rounds.len() > 1 => {
                    format!(
                        "{}: {}–{}",
                        figure.rounds.len(),
                        number(*least),
                        number(*most)
                    )
                }
                _ => "1".to_owned(),
            };
            let reached = number(reached);
            writeln!(
                text,
                "| {} | **{reached}**{mark} | {span} | {target} |",
                figure.measure
            )?;
        }
        writeln!(
            text,
            "\nMedians of the rounds; CPU in microseconds an entry; others: cores that no process \
             of the run used, time stolen by the host included.\n\n\
             | load | entries/s | p50 ms | p99 ms | service | PostgreSQL | generator | others |\n\
             |---|---|---|---|---|---|---|---|"
        )?;
        for cost in &self.costs {
            let [rate, p50, p99] =
                [&cost.rates, &cost.p50, &cost.p99].map(|all| number(median(all)));
            let [service, postgres] =
                [&cost.service, &cost.postgres].map(|all| number(median(all)));
            let [generator, others] =
                [&cost.generator, &cost.others].map(|all| number(median(all)));
            let load = &cost.load;
            writeln!(
                text,
                "| {load} | {rate} | {p50} | {p99} | {service} | {postgres} | {generator} | {others} |"
            )?;
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
        let page = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let parts = page
            .split_once(BEGIN)
            .and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
        let (head, tail) = parts.with_context(|| format!("{} has no {BEGIN}", file.display()))?;
        std::fs::write(file, format!("{head}{BEGIN}\n{text}\n{END}{tail}"))?;
        Ok(())
    }
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
