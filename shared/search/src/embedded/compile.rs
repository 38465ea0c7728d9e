//! A filter as a query of tantivy. Windows and times are not in it: they are checked on columns, hit by
//! hit.

use chain::Mask;
use query::{Filter, Form, Occurs, Text};
use tantivy::Term;
use tantivy::query::{AllQuery, BooleanQuery, Occur, PhraseQuery, Query, RegexQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};

use super::schema::Fields;
use crate::Window;

/// `None`: nothing can be found.
pub(super) fn compile(
    fields: Fields,
    filter: &Filter,
    windows: &[Window],
    mask: Mask,
) -> tantivy::Result<Option<Box<dyn Query>>> {
    if windows.is_empty() || mask == Mask::Personal && filter.personal().is_some() {
        return Ok(None);
    }
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    for (keyword, value) in filter.keywords() {
        clauses.push((Occur::Must, exactly(fields.key(keyword, &value))));
    }
    if filter.partition().is_some() {
        let chains = windows
            .iter()
            .map(|window| exactly(fields.chain_key(&window.partition, window.generation)));
        clauses.push((Occur::Must, any(chains.collect())));
    }
    let searched: &[Field] = match mask {
        Mask::Nothing => &[fields.words, fields.personal_words],
        Mask::Personal => &[fields.words],
    };
    for clause in filter.text().into_iter().flat_map(Text::clauses) {
        let occur = match clause.occurs {
            Occurs::Must => Occur::Must,
            Occurs::MustNot => Occur::MustNot,
        };
        let each = searched.iter().map(|field| words(*field, &clause.form));
        clauses.push((occur, any(each.collect::<tantivy::Result<_>>()?)));
    }
    if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
        clauses.push((Occur::Must, Box::new(AllQuery)));
    }
    Ok(Some(Box::new(BooleanQuery::new(clauses))))
}

fn exactly(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn any(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    if queries.len() == 1 {
        return queries.remove(0);
    }
    Box::new(BooleanQuery::union(queries))
}

fn words(field: Field, form: &Form) -> tantivy::Result<Box<dyn Query>> {
    let term = |word: &String| Term::from_field_text(field, word);
    Ok(match form {
        Form::Word(word) => exactly(term(word)),
        Form::Phrase(words) => Box::new(PhraseQuery::new(words.iter().map(term).collect())),
        // Words hold letters and digits alone, so nothing has to be escaped.
        Form::Prefix(prefix) => Box::new(RegexQuery::from_pattern(&format!("{prefix}.*"), field)?),
    })
}
