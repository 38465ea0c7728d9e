//! The fields of an embedded index, and a document as tantivy takes it. Nothing of an entry is stored:
//! a hit is read from columns.

use query::{Document, Keyword};
use tantivy::schema::{
    Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{TantivyDocument, Term};

use crate::COUNTED;

/// The longest exact value, in bytes, as Lucene has it: both implementations refuse the same.
const MAX_KEYWORD: usize = 32_766;

#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// `partition/generation/seq`.
    id: Field,
    /// Every exact value, its keyword's name before it.
    keys: Field,
    pub(super) words: Field,
    pub(super) personal_words: Field,
    /// `partition/generation`.
    chain: Field,
    seq: Field,
    received_at: Field,
    version: Field,
    counted: [Field; COUNTED.len()],
}

pub(super) const CHAIN: &str = "chain";
pub(super) const SEQ: &str = "seq";
pub(super) const RECEIVED_AT: &str = "received_at";
pub(super) const VERSION: &str = "version";

/// Each form has a schema of its own, so that an index tells which one it is of.
pub(super) fn schema(form: u32) -> (Schema, Fields) {
    let exact = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::Basic),
    );
    let words = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer("whitespace")
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions),
    );
    let column = TextOptions::default().set_fast("raw");
    let number = || NumericOptions::default().set_fast();
    let mut schema = Schema::builder();
    let fields = Fields {
        id: schema.add_text_field("id", exact.clone()),
        keys: schema.add_text_field("keys", exact),
        words: schema.add_text_field("words", words.clone()),
        personal_words: schema.add_text_field("personal_words", words),
        chain: schema.add_text_field(CHAIN, column.clone()),
        seq: schema.add_u64_field(SEQ, number()),
        received_at: schema.add_i64_field(RECEIVED_AT, number()),
        version: schema.add_u64_field(VERSION, number()),
        counted: COUNTED.map(|keyword| schema.add_text_field(keyword.name(), column.clone())),
    };
    if form != 1 {
        // Never filled.
        schema.add_u64_field(&format!("form_{form}"), NumericOptions::default());
    }
    (schema.build(), fields)
}

impl Fields {
    pub(super) fn id(self, document: &Document) -> Term {
        let chain = chain(&document.partition, document.generation);
        Term::from_field_text(self.id, &format!("{chain}/{}", document.seq))
    }

    pub(super) fn id_field(self) -> Field {
        self.id
    }

    pub(super) fn key(self, keyword: Keyword, value: &str) -> Term {
        Term::from_field_text(self.keys, &key(keyword.name(), value))
    }

    pub(super) fn chain_key(self, partition: &str, generation: u32) -> Term {
        Term::from_field_text(self.keys, &key(CHAIN, &chain(partition, generation)))
    }

    /// The error says why an index cannot take the document.
    pub(super) fn document(self, document: &Document) -> Result<TantivyDocument, &'static str> {
        let chain = chain(&document.partition, document.generation);
        let mut fields = TantivyDocument::default();
        fields.add_text(self.id, format!("{chain}/{}", document.seq));
        fields.add_text(self.keys, key(CHAIN, &chain));
        fields.add_text(self.chain, chain);
        fields.add_u64(self.seq, document.seq);
        fields.add_i64(self.received_at, document.received_at.as_micros());
        fields.add_u64(self.version, document.version);
        for (keyword, value) in &document.keywords {
            if value.len() > MAX_KEYWORD {
                return Err("an exact value is longer than 32,766 bytes");
            }
            fields.add_text(self.keys, key(keyword.name(), value));
            if let Some(place) = COUNTED.iter().position(|counted| counted == keyword) {
                fields.add_text(self.counted[place], value);
            }
        }
        for words in &document.words {
            fields.add_text(self.words, words);
        }
        for words in &document.personal_words {
            fields.add_text(self.personal_words, words);
        }
        Ok(fields)
    }
}

fn key(name: &str, value: &str) -> String {
    format!("{name}\0{value}")
}

pub(super) fn chain(partition: &str, generation: u32) -> String {
    format!("{partition}/{generation}")
}
