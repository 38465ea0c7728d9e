//! The full-text condition `q`: words, "phrases", -word and prefix*. It never interprets anything
//! else: no operators, no fields, no regular expressions, no wildcard inside or before a word.

use std::fmt::{self, Write as _};
use std::ops::ControlFlow;

use crate::words::words;

/// The longest `q`, in bytes.
const MAX_BYTES: usize = 1024;
/// The most words, those of phrases included.
const MAX_WORDS: usize = 32;
/// The shortest prefix, in characters: a shorter one stands for too many words.
const MIN_PREFIX: usize = 2;

/// Every clause must hold, or must not where it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    clauses: Vec<Clause>,
}

/// One condition on the words of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    pub occurs: Occurs,
    pub form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurs {
    Must,
    MustNot,
}

/// What has to stand in one of the entry's texts. All words are as the tokeniser gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    Word(String),
    /// Two words or more, one directly after the other in the same text.
    Phrase(Vec<String>),
    /// Any word that begins like this.
    Prefix(String),
}

impl Text {
    /// Never empty.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// Reads the grammar. The error says what is wrong, lower-case, without a full stop.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_BYTES {
            return Err("longer than 1024 bytes");
        }
        let mut clauses: Vec<Clause> = Vec::new();
        let mut count = 0;
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (occurs, term) = match rest.strip_prefix('-') {
                Some(term) => (Occurs::MustNot, term),
                None => (Occurs::Must, rest),
            };
            let (form, after) = match term.strip_prefix('"') {
                Some(quoted) => phrase(quoted)?,
                None => bare(term)?,
            };
            count += match &form {
                Form::Phrase(words) => words.len(),
                Form::Word(_) | Form::Prefix(_) => 1,
            };
            if count > MAX_WORDS {
                return Err("more than 32 words");
            }
            let clause = Clause { occurs, form };
            if !clauses.contains(&clause) {
                clauses.push(clause);
            }
            rest = after.trim_start();
        }
        if clauses.is_empty() {
            return Err("no word in it");
        }
        Ok(Self { clauses })
    }
}

/// What stands between quotes, the first of which is taken; and what comes after the second.
fn phrase(quoted: &str) -> Result<(Form, &str), &'static str> {
    let (inside, after) = quoted
        .split_once('"')
        .ok_or("a quote that is opened and not closed")?;
    if inside.contains('*') {
        return Err("`*` inside a phrase");
    }
    if after.starts_with(|char: char| !char.is_whitespace()) {
        return Err("no space after a phrase");
    }
    Ok((form(inside)?, after))
}

fn bare(term: &str) -> Result<(Form, &str), &'static str> {
    let end = term.find(char::is_whitespace).unwrap_or(term.len());
    let (word, after) = term.split_at(end);
    if word.contains('"') {
        return Err("a quote inside a word");
    }
    if word.len() > 1 && word.starts_with('/') && word.ends_with('/') {
        return Err("regular expressions are not searched for");
    }
    let Some((before, behind)) = word.split_once('*') else {
        return Ok((form(word)?, after));
    };
    if !before.contains(char::is_alphanumeric) {
        return Err("`*` before a word; it may only end one");
    }
    if !behind.is_empty() {
        return Err("`*` inside a word; it may only end one");
    }
    let [prefix] = <[String; 1]>::try_from(words(before))
        .map_err(|_| "`*` after more than one word; put a space between them")?;
    // `invoice-*` would otherwise be `invoice*`.
    if !before.ends_with(char::is_alphanumeric) {
        return Err("`*` that does not end a word");
    }
    if prefix.chars().count() < MIN_PREFIX {
        return Err("fewer than two characters before `*`");
    }
    Ok((Form::Prefix(prefix), after))
}

fn form(text: &str) -> Result<Form, &'static str> {
    let mut words = words(text);
    match words.len() {
        0 => Err("a term without a letter or digit"),
        1 => Ok(Form::Word(words.remove(0))),
        _ => Ok(Form::Phrase(words)),
    }
}

/// Normalised: what differs here is another condition.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, clause) in self.clauses.iter().enumerate() {
            if place > 0 {
                f.write_char(' ')?;
            }
            if clause.occurs == Occurs::MustNot {
                f.write_char('-')?;
            }
            match &clause.form {
                Form::Word(word) => f.write_str(word)?,
                Form::Phrase(words) => write!(f, "\"{}\"", words.join(" "))?,
                Form::Prefix(word) => write!(f, "{word}*")?,
            }
        }
        Ok(())
    }
}

/// Which clauses were met in the texts looked at so far.
pub(crate) struct Met<'a> {
    clauses: &'a [Clause],
    each: Vec<bool>,
    /// A clause is about more than one word.
    phrases: bool,
    /// Words of one text, one after the other, and where each ends.
    words: String,
    ends: Vec<usize>,
    buffer: String,
}

impl<'a> Met<'a> {
    pub(crate) fn new(text: &'a Text) -> Self {
        let clauses = text.clauses();
        let is_phrase = |clause: &Clause| matches!(clause.form, Form::Phrase(_));
        Self {
            each: vec![false; clauses.len()],
            phrases: clauses.iter().any(is_phrase),
            clauses,
            words: String::new(),
            ends: Vec::new(),
            buffer: String::new(),
        }
    }

    /// Looks at one text of the entry; see [`Met::decided`].
    pub(crate) fn look(&mut self, leaf: &str) -> ControlFlow<()> {
        let (joined, ends) = (&mut self.words, &mut self.ends);
        joined.clear();
        ends.clear();
        crate::words::each_word(leaf, &mut self.buffer, |word| {
            for (clause, met) in self.clauses.iter().zip(&mut self.each) {
                *met = *met || is(&clause.form, word);
            }
            if self.phrases {
                joined.push_str(word);
                ends.push(joined.len());
            }
        });
        for (clause, met) in self.clauses.iter().zip(&mut self.each) {
            *met = *met || stands(&clause.form, &self.words, &self.ends);
        }
        self.decided()
    }

    /// Breaks where no other text can change the answer: a word that must not be there is looked for to the last.
    pub(crate) fn decided(&self) -> ControlFlow<()> {
        let mut clauses = self.clauses.iter().zip(&self.each);
        let refused = clauses
            .clone()
            .any(|(clause, met)| *met && clause.occurs == Occurs::MustNot);
        if refused || clauses.all(|(_, met)| *met) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    pub(crate) fn holds(&self) -> bool {
        let clauses = self.clauses.iter().zip(&self.each);
        clauses
            .into_iter()
            .all(|(clause, met)| *met == (clause.occurs == Occurs::Must))
    }
}

/// Whether one word is all that is asked for.
fn is(form: &Form, word: &str) -> bool {
    match form {
        Form::Word(asked) => word == asked,
        Form::Prefix(asked) => word.starts_with(asked.as_str()),
        Form::Phrase(_) => false,
    }
}

/// Whether a phrase stands in these words.
fn stands(form: &Form, joined: &str, ends: &[usize]) -> bool {
    let Form::Phrase(asked) = form else {
        return false;
    };
    let word = |place: usize| {
        let start = place.checked_sub(1).map_or(0, |before| ends[before]);
        &joined[start..ends[place]]
    };
    (asked.len()..=ends.len()).any(|end| {
        let start = end - asked.len();
        (start..end)
            .zip(asked)
            .all(|(place, asked)| word(place) == asked)
    })
}
