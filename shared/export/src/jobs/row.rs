//! A row of the table as it comes, and the job that it is.

use chain::{Hash, Timestamp};
use ledger::Tenant;
use sqlx::types::JsonValue;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Error, Job, State};
use crate::{Progress, Summary};

/// All columns, by their names.
pub(super) struct Row {
    pub(super) tenant: Uuid,
    pub(super) id: Uuid,
    pub(super) tenant_code: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) created_by: String,
    pub(super) request: JsonValue,
    pub(super) stretches: JsonValue,
    pub(super) total: i64,
    pub(super) state: String,
    pub(super) attempt: i32,
    pub(super) unrecorded: Option<Uuid>,
    pub(super) refused: i32,
    pub(super) rows_done: i64,
    pub(super) rows_scanned: i64,
    pub(super) started_at: Option<OffsetDateTime>,
    pub(super) ended_at: Option<OffsetDateTime>,
    pub(super) expires_at: Option<OffsetDateTime>,
    pub(super) bytes: Option<i64>,
    pub(super) sha256: Option<Vec<u8>>,
    pub(super) hashes: Option<JsonValue>,
    pub(super) failure: Option<JsonValue>,
}

impl TryFrom<Row> for Job {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let progress = Progress {
            rows: number(row.rows_done)?,
            scanned: number(row.rows_scanned)?,
        };
        let summary = match (row.bytes, row.sha256) {
            (Some(bytes), Some(sha256)) => Some(Summary {
                rows: progress.rows,
                bytes: number(bytes)?,
                sha256: sha256.try_into().map_err(|_| damaged("sha256"))?,
            }),
            _ => None,
        };
        let state = JsonValue::String(row.state);
        let hashes: Vec<Option<String>> = row.hashes.map_or(Ok(Vec::new()), read)?;
        let hashes = hashes
            .into_iter()
            .map(|hash| hash.map(|hash| hash.parse::<Hash>()).transpose());
        Ok(Self {
            tenant: Tenant {
                id: row.tenant,
                code: row.tenant_code,
            },
            id: row.id,
            created_at: moment(row.created_at)?,
            created_by: row.created_by,
            request: read(row.request)?,
            stretches: read(row.stretches)?,
            total: number(row.total)?,
            state: read::<State>(state)?,
            attempt: u32::try_from(row.attempt).map_err(|_| damaged("attempt"))?,
            unrecorded: row.unrecorded,
            refused: u32::try_from(row.refused).map_err(|_| damaged("refused"))?,
            progress,
            started_at: row.started_at.map(moment).transpose()?,
            ended_at: row.ended_at.map(moment).transpose()?,
            expires_at: row.expires_at.map(moment).transpose()?,
            summary,
            hashes: hashes
                .collect::<Result<_, _>>()
                .map_err(|_| damaged("hashes"))?,
            failure: row.failure.map(read).transpose()?,
        })
    }
}

fn read<T: serde::de::DeserializeOwned>(json: JsonValue) -> Result<T, Error> {
    serde_json::from_value(json).map_err(|error| Error::Database(sqlx::Error::Decode(error.into())))
}

fn number(stored: i64) -> Result<u64, Error> {
    u64::try_from(stored).map_err(|_| damaged("a number"))
}

fn moment(stored: OffsetDateTime) -> Result<Timestamp, Error> {
    i64::try_from(stored.unix_timestamp_nanos() / 1_000)
        .ok()
        .and_then(Timestamp::from_micros)
        .ok_or_else(|| damaged("a time"))
}

fn damaged(what: &str) -> Error {
    Error::Database(sqlx::Error::Decode(
        format!("{what} of a job is not what is written there").into(),
    ))
}
