//! What is asked of a trail of [`crate::varied`] entries, each time with other values, and whether an
//! entry of the answer is one that was asked for.

use std::cell::LazyCell;

use anyhow::{Context as _, Result, ensure};
use chain::Timestamp;
use serde_json::Value;

use crate::varied::{self, spread};

/// Ranks of words that are asked for alone, and of those that are asked for with another one: none so
/// seldom that nothing is found.
const RANKS: u64 = 300;
const FREQUENT: u64 = 20;

/// A kind of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    Words,
    WordsAndArea,
    WordAndAction,
    WordSeverityAndOutcome,
    BeginAndSeverity,
    NotAWord,
    Actor,
    Time,
}

impl Kind {
    /// Words, words and filters, filters alone, a short time.
    pub(crate) const ALL: [Self; 7] = [
        Self::Word,
        Self::Words,
        Self::WordsAndArea,
        Self::WordAndAction,
        Self::WordSeverityAndOutcome,
        Self::Actor,
        Self::Time,
    ];
    /// A filter and full text.
    pub(crate) const FILTER_AND_TEXT: [Self; 5] = [
        Self::WordsAndArea,
        Self::WordAndAction,
        Self::WordSeverityAndOutcome,
        Self::BeginAndSeverity,
        Self::NotAWord,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Word => "a word",
            Self::Words => "two words",
            Self::WordsAndArea => "two words in an area",
            Self::WordAndAction => "a word and an action",
            Self::WordSeverityAndOutcome => "a word, a severity and an outcome",
            Self::BeginAndSeverity => "the begin of a word, and a severity",
            Self::NotAWord => "an action without a word",
            Self::Actor => "an actor",
            Self::Time => "an area in a short time",
        }
    }
}

/// What an entry must have.
enum Needs {
    /// A member of this value.
    Is(&'static str, String),
    /// A member that begins so.
    Begins(&'static str, String),
    Word(String),
    WordBegins(String),
    NoWord(String),
}

/// A question, and what it needs.
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    /// The URL's query, without paging.
    pub(crate) query: String,
    needs: Vec<Needs>,
}

/// The time of the entries, for questions about a part of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

impl Asked {
    /// The `nth` question of its kind.
    pub(crate) fn new(kind: Kind, nth: u64, span: Span) -> Result<Self> {
        let draw = |salt: u64| spread(nth, 100 + salt);
        let ranks = match kind {
            Kind::Words | Kind::WordsAndArea => FREQUENT,
            _ => RANKS,
        };
        let (one, two) = (varied::word(draw(0) % ranks), varied::word(draw(1) % ranks));
        let (action, area) = (varied::action(draw(2)), varied::area(draw(3)));
        let severity = varied::severity(draw(4));
        let below = || Needs::Begins("/action", format!("{area}."));
        let is = |member, value: &str| Needs::Is(member, value.to_owned());
        let word = |word: &String| Needs::Word(word.clone());
        let (query, needs) = match kind {
            Kind::Word => (format!("q={one}"), vec![word(&one)]),
            Kind::Words => (format!("q={one}+{two}"), vec![word(&one), word(&two)]),
            Kind::WordsAndArea => (
                format!("q={one}+{two}&action={area}.*"),
                vec![below(), word(&one), word(&two)],
            ),
            Kind::WordAndAction => (
                format!("q={one}&action={action}"),
                vec![is("/action", &action), word(&one)],
            ),
            Kind::WordSeverityAndOutcome => (
                format!("q={one}&severity={severity}&outcome=failure"),
                vec![
                    is("/severity", severity),
                    is("/outcome/status", "failure"),
                    word(&one),
                ],
            ),
            Kind::BeginAndSeverity => {
                let begin = &one[..3];
                (
                    format!("q={begin}*&severity={severity}"),
                    vec![
                        is("/severity", severity),
                        Needs::WordBegins(begin.to_owned()),
                    ],
                )
            }
            Kind::NotAWord => (
                format!("q=-{one}&action={action}"),
                vec![is("/action", &action), Needs::NoWord(one)],
            ),
            Kind::Actor => {
                let actor = varied::actor(draw(5));
                (format!("actor_id={actor}"), vec![is("/actor/id", &actor)])
            }
            Kind::Time => {
                let (from, to) = span.part(draw(6))?;
                let query = format!("action={area}.*&from={from}&to={to}");
                (query, vec![below()])
            }
        };
        Ok(Self { kind, query, needs })
    }

    /// An error when an entry of the page is none that was asked for.
    pub(crate) fn check(&self, entries: &[Value]) -> Result<()> {
        let wrong = entries.iter().find(|entry| !self.holds(entry));
        ensure!(wrong.is_none(), "{} found {wrong:?}", self.query);
        Ok(())
    }

    /// Words may be anywhere in the entry: that of a read, in `system`, says what was searched for.
    fn holds(&self, entry: &Value) -> bool {
        let member = |name| {
            entry
                .pointer(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        // Last of the needs are the words.
        let text = LazyCell::new(|| entry.to_string().to_lowercase());
        let words = || text.split(|letter: char| !letter.is_alphanumeric());
        self.needs.iter().all(|need| match need {
            // An entry that names no severity counts as `info`.
            Needs::Is("/severity", value) if member("/severity").is_empty() => value == "info",
            Needs::Is(name, value) => member(name) == value,
            Needs::Begins(name, begin) => member(name).starts_with(begin),
            Needs::Word(word) => words().any(|one| one == word),
            Needs::WordBegins(begin) => words().any(|one| one.starts_with(begin)),
            Needs::NoWord(word) => words().all(|one| one != word),
        })
    }
}

impl Span {
    /// A five-hundredth of it.
    fn part(self, drawn: u64) -> Result<(Timestamp, Timestamp)> {
        let whole = self.to.as_micros() - self.from.as_micros();
        let at = i64::try_from(drawn % 499)?;
        let from = self.from.as_micros() + whole / 500 * at;
        let time = |micros| Timestamp::from_micros(micros).context("a time");
        Ok((time(from)?, time(from + whole / 500)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::varied::Varied;

    #[test]
    fn questions_are_well_formed_and_each_finds_something() {
        let time = |micros| Timestamp::from_micros(micros).unwrap();
        let span = Span {
            from: time(1_700_000_000_000_000),
            to: time(1_700_000_100_000_000),
        };
        let mut varied = Varied::new("default");
        let entries: Vec<Value> = (0..4_000)
            .map(|_| serde_json::from_str(varied.next()).unwrap())
            .collect();
        for kind in Kind::ALL.into_iter().chain(Kind::FILTER_AND_TEXT) {
            let finds = |nth| {
                let asked = Asked::new(kind, nth, span).unwrap();
                query::Question::parse(&asked.query).unwrap();
                entries.iter().any(|entry| asked.holds(entry))
            };
            assert!((0..500).any(finds), "{}", kind.name());
        }
    }
}
