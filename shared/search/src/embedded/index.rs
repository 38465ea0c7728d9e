//! One index on the disk: opened for reading as long as it is used, and written by one writer at a
//! time. Blocking throughout.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use query::Document;
use tantivy::indexer::IndexWriterOptions;
use tantivy::schema::IndexRecordOption;
use tantivy::{
    Directory, DocSet as _, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher,
    TERMINATED, Term,
};

use super::failed;
use super::merging::Merging;
use super::schema::{CHAIN, Fields, SEQ, VERSION, chain, schema};
use super::segments::index;
use crate::{Busy, Error, Refused};

/// Memory of a writer before it begins a segment of its own accord; the least that tantivy takes.
const WRITER_BYTES: usize = 15_000_000;

/// One after the highest seq of each chain.
type Ends = HashMap<String, u64>;

pub(super) struct Index {
    files: tantivy::Index,
    reader: IndexReader,
    pub(super) fields: Fields,
    /// Of all that was committed. Not there before the first write, while somebody writes, and after a write that failed:
    /// all segments have to be read for it, which a new writer alone is no reason for.
    ends: Mutex<Option<Ends>>,
}

impl Index {
    pub(super) fn create(files: Box<dyn Directory>, form: u32) -> Result<(), Error> {
        let (schema, _) = schema(form);
        tantivy::Index::create(files, schema, IndexSettings::default())
            .map(drop)
            .map_err(failed)
    }

    pub(super) fn open(files: Box<dyn Directory>, form: u32) -> Result<Self, Error> {
        let outdated = |error: tantivy::TantivyError| match error {
            tantivy::TantivyError::IoError(_) => failed(error),
            other => Error::Outdated(other.into()),
        };
        let index = tantivy::Index::open(files).map_err(outdated)?;
        let (schema, fields) = schema(form);
        if index.schema() != schema {
            return Err(Error::Outdated(anyhow::anyhow!("of another form")));
        }
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()
            .map_err(outdated)?;
        Ok(Self {
            files: index,
            reader,
            fields,
            ends: Mutex::default(),
        })
    }

    pub(super) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    /// Finds what was committed.
    pub(super) fn refresh(&self) -> Result<(), Error> {
        self.reader.reload().map_err(failed)
    }

    pub(super) fn writer(&self, busy: Busy) -> Result<IndexWriter, Error> {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = self.files.writer_with_options(options).map_err(failed)?;
        writer.set_merge_policy(Box::new(Merging::new(busy)));
        Ok(writer)
    }

    /// Written, and found, when it returns. After an error the writer is not used again. Nobody else writes meanwhile.
    pub(super) fn write(
        &self,
        writer: &mut IndexWriter,
        documents: &[Document],
    ) -> Result<Vec<Refused>, Error> {
        let known = self.held_ends().take();
        let mut ends = match known {
            Some(ends) => ends,
            None => self.read_ends().map_err(failed)?,
        };
        let refused = self.put(writer, &mut ends, documents)?;
        *self.held_ends() = Some(ends);
        Ok(refused)
    }

    fn held_ends(&self) -> MutexGuard<'_, Option<Ends>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_ends(&self) -> tantivy::Result<Ends> {
        self.reader.reload()?;
        ends(&self.searcher())
    }

    fn put(
        &self,
        writer: &mut IndexWriter,
        ends: &mut Ends,
        documents: &[Document],
    ) -> Result<Vec<Refused>, Error> {
        let mut refused = Vec::new();
        let mut changed = false;
        let searcher = self.searcher();
        for document in latest(documents) {
            let fields = match self.fields.document(document) {
                Ok(fields) => fields,
                Err(reason) => {
                    refused.push(Refused {
                        partition: document.partition.clone(),
                        generation: document.generation,
                        seq: document.seq,
                        reason: reason.to_owned(),
                    });
                    continue;
                }
            };
            let chain = chain(&document.partition, document.generation);
            let end = ends.entry(chain).or_insert(0);
            // Nothing of the chain is as far, so that this one cannot be there.
            if document.seq < *end {
                let id = self.fields.id(document);
                match self.version(&searcher, &id).map_err(failed)? {
                    Some(there) if there >= document.version => continue,
                    Some(_) => {
                        writer.delete_term(id);
                    }
                    None => {}
                }
            }
            writer.add_document(fields).map_err(failed)?;
            changed = true;
            *end = (*end).max(document.seq + 1);
        }
        if changed {
            writer.commit().map_err(failed)?;
            self.reader.reload().map_err(failed)?;
        }
        Ok(refused)
    }

    fn version(&self, searcher: &Searcher, id: &Term) -> tantivy::Result<Option<u64>> {
        for segment in searcher.segment_readers() {
            let postings = segment
                .inverted_index(self.fields.id_field())?
                .read_postings(id, IndexRecordOption::Basic)?;
            let Some(mut postings) = postings else {
                continue;
            };
            while postings.doc() != TERMINATED {
                if !segment.is_deleted(postings.doc()) {
                    return Ok(segment.fast_fields().u64(VERSION)?.first(postings.doc()));
                }
                postings.advance();
            }
        }
        Ok(None)
    }
}

/// Lets merges come to their end: a merge that is given up is begun again and again.
pub(super) fn close(writer: IndexWriter) {
    if let Err(error) = writer.wait_merging_threads() {
        tracing::warn!(%error, "a merge of the search index failed");
    }
}

/// Of several documents of one entry the one with the highest version, in the order given.
fn latest(documents: &[Document]) -> Vec<&Document> {
    let mut places = HashMap::with_capacity(documents.len());
    let mut latest: Vec<&Document> = Vec::with_capacity(documents.len());
    for document in documents {
        let entry = (&document.partition, document.generation, document.seq);
        match places.entry(entry) {
            Entry::Vacant(place) => {
                place.insert(latest.len());
                latest.push(document);
            }
            Entry::Occupied(place) => {
                let there = &mut latest[*place.get()];
                if there.version < document.version {
                    *there = document;
                }
            }
        }
    }
    latest
}

fn ends(searcher: &Searcher) -> tantivy::Result<Ends> {
    let mut ends = Ends::new();
    for segment in searcher.segment_readers() {
        let Some(chains) = segment.fast_fields().str(CHAIN)? else {
            continue;
        };
        let seqs = segment.fast_fields().u64(SEQ)?;
        let mut highest = vec![0; chains.num_terms()];
        for doc in 0..segment.max_doc() {
            let (Some(chain), Some(seq)) = (chains.ords().first(doc), seqs.first(doc)) else {
                continue;
            };
            let end = &mut highest[index(chain)];
            *end = (*end).max(seq + 1);
        }
        let mut names = chains.dictionary().stream()?;
        while names.advance() {
            let end = ends
                .entry(String::from_utf8_lossy(names.key()).into_owned())
                .or_default();
            *end = (*end).max(highest[index(names.term_ord())]);
        }
    }
    Ok(ends)
}
