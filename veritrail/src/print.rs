//! What the program says: results on standard output, everything else on
//! standard error. It never prints a secret, and never a progress bar where
//! nobody watches.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Exit codes of every command.
pub(crate) const TAMPERED: u8 = 1;
pub(crate) const COULD_NOT: u8 = 2;

/// How to speak: to a person or to a program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    colour: bool,
}

/// A manner of writing, where the terminal can.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    Bold,
    Dim,
    Good,
    Bad,
    Warning,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let colour = !json && io::stdout().is_terminal() && !crate::config::no_colour();
        Self { json, colour }
    }

    /// Whether the reader is a program.
    pub(crate) fn json(self) -> bool {
        self.json
    }

    /// A line for people; programs do not get it.
    pub(crate) fn say(self, text: &str) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { out(text) }
    }

    /// One JSON value a line for programs; people do not get it.
    pub(crate) fn value(self, value: &impl Serialize) -> anyhow::Result<()> {
        if self.json {
            out(&serde_json::to_string(value)?)
        } else {
            Ok(())
        }
    }

    /// A remark that is no result. Its own failure is nobody's concern.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Bad => "1;31",
            Style::Warning => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Rows in aligned columns under dim headings.
    pub(crate) fn table(self, headings: &[&str], rows: &[Vec<String>]) -> anyhow::Result<()> {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = headings
            .iter()
            .enumerate()
            .map(|(column, heading)| width(column).max(heading.len()))
            .collect();
        let head: Vec<String> = headings
            .iter()
            .map(|heading| (*heading).to_owned())
            .collect();
        self.say(&self.paint(Style::Dim, &aligned(&head, &widths)))?;
        for row in rows {
            self.say(&aligned(row, &widths))?;
        }
        Ok(())
    }

    /// Reports why the command could not be done.
    pub(crate) fn failed(self, error: &anyhow::Error) -> ExitCode {
        if error.is::<Closed>() {
            // `veritrail tail | head` has what it wanted, but not all was done.
            return ExitCode::from(COULD_NOT);
        }
        let text = if self.json {
            serde_json::json!({"error": format!("{error:#}")}).to_string()
        } else {
            format!("{} {error:#}", self.paint(Style::Bad, "error:"))
        };
        let _ = writeln!(io::stderr(), "{text}");
        ExitCode::from(COULD_NOT)
    }

    /// A bar over `length` steps, drawn only where somebody watches.
    pub(crate) fn progress(
        self,
        length: u64,
        what: impl Into<std::borrow::Cow<'static, str>>,
    ) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        let style = "{bar:32} {percent:>3} %  {msg}  {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.with_message(what)
    }
}

/// Nobody reads standard output any more.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
struct Closed;

fn out(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Closed.into(),
        _ => error.into(),
    })
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        let padding = width.saturating_sub(cell.chars().count()) + 2;
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', padding));
    }
    line.truncate(line.trim_end().len());
    line
}

/// Text of the trail as one line on a terminal: control characters, which could
/// move the cursor or rewrite what stands above, are replaced.
pub(crate) fn one_line(text: &str, characters: usize) -> String {
    let visible = |c: char| if c.is_control() { '�' } else { c };
    if text.chars().count() <= characters {
        return text.chars().map(visible).collect();
    }
    let mut cut: String = text
        .chars()
        .take(characters.saturating_sub(1))
        .map(visible)
        .collect();
    cut.push('…');
    cut
}

/// `1933` as `1,933`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1933), "1,933");
        assert_eq!(grouped(1_000_000), "1,000,000");
    }

    #[test]
    fn text_of_the_trail_cannot_steer_the_terminal() {
        assert_eq!(one_line("a\x1b[2Jb\n", 10), "a�[2Jb�");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }
}
