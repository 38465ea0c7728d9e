//! What one would search who has no ledger: an index like the installation's that keeps the entries as well
//! and answers with them.

use anyhow::{Context as _, Result, ensure};
use chain::Mask;
use query::Document;
use search::{Ask, wire};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::check::Trail;
use crate::entries::Entries;
use crate::rows::distributed::Distributed;

/// Entries of one bulk.
const BULK: u64 = 2_000;

pub(super) struct Kept {
    settings: ::search::Settings,
}

impl Kept {
    /// Of all the trail's entries.
    pub(super) async fn fill(installation: &mut Distributed, trail: &Trail) -> Result<Self> {
        let mut settings = installation.settings()?;
        settings.prefix.push_str("-kept");
        let tenant = trail.tenant()?;
        let opensearch = &mut installation.opensearch;
        opensearch.send(&create(&settings, tenant)?).await?;
        let mut entries = Entries::of(trail);
        loop {
            let some = entries.next(BULK)?;
            if some.is_empty() {
                break;
            }
            let forms = some.iter().map(|entry| entry.reading_form(Mask::Nothing));
            let forms = forms.collect::<Result<Vec<_>, _>>()?;
            let documents = some.iter().map(Document::of);
            let documents = documents.collect::<Result<Vec<_>, _>>()?;
            let mut forms = forms.iter();
            for mut bulk in wire::bulks(&settings, tenant, &documents) {
                bulk.body = with_entries(&bulk.body, &mut forms)?;
                let rendered = opensearch.rendered(&bulk);
                opensearch.exchange(&rendered).await?;
            }
        }
        let alias = wire::alias(&settings, tenant);
        opensearch.refresh(&alias).await?;
        let (count, size) = (
            opensearch.count(&alias, &trail.chain.partition).await?,
            trail.size()?,
        );
        ensure!(count == size, "{count} documents of {size} entries");
        Ok(Self { settings })
    }

    /// The same question, answered with the entries.
    pub(super) fn page(&self, trail: &Trail, ask: &Ask<'_>) -> Result<wire::Request> {
        const PLACES: &str = "hits.hits.sort";
        let request = wire::page(&self.settings, trail.tenant()?, ask);
        let mut request = request.context("something to ask")?;
        ensure!(request.path.contains(PLACES), "{}: no places", request.path);
        let with_entries = format!("{PLACES},hits.hits._source");
        request.path = request.path.replace(PLACES, &with_entries);
        let mut body: Value = serde_json::from_str(&request.body)?;
        body["_source"] = json!(true);
        let members = body.as_object_mut().context("an object")?;
        ensure!(members.remove("stored_fields").is_some(), "fields are read");
        request.body = body.to_string();
        Ok(request)
    }

    pub(super) async fn remove(self, installation: &mut Distributed) -> Result<()> {
        installation.opensearch.remove(&self.settings.prefix).await
    }
}

/// The installation's index, but for the entry that is kept and not looked into.
fn create(settings: &::search::Settings, tenant: Uuid) -> Result<wire::Request> {
    let mut request = wire::create(settings, tenant);
    let mut body: Value = serde_json::from_str(&request.body)?;
    let mappings = &mut body["mappings"];
    mappings["_source"] = json!({"includes": ["entry"]});
    mappings["properties"]["entry"] = json!({"type": "object", "enabled": false});
    request.body = body.to_string();
    Ok(request)
}

/// The lines of a bulk, two for each document, with the entry in each second one.
fn with_entries<'a>(bulk: &str, forms: &mut impl Iterator<Item = &'a String>) -> Result<String> {
    let mut body = String::new();
    for (nth, line) in bulk.lines().enumerate() {
        if nth % 2 == 1 {
            let form = forms.next().context("a document without an entry")?;
            let rest = line.strip_prefix('{').context("a document")?;
            body.push_str("{\"entry\":");
            body.push_str(form);
            body.push(',');
            body.push_str(rest);
        } else {
            body.push_str(line);
        }
        body.push('\n');
    }
    Ok(body)
}
