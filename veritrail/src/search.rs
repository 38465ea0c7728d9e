//! `veritrail search`: entries that words and values find, a line each, page by
//! page until there are enough.

use std::process::ExitCode;

use anyhow::Context as _;

use crate::client::{Client, Purpose};
use crate::config::{self, Conditions};
use crate::print::{Output, Style};
use crate::tail::{Page, show, warn};

/// Most entries that the server gives at once.
const PAGE: usize = 1_000;

pub(crate) async fn run(config: config::Search, output: Output) -> anyhow::Result<ExitCode> {
    let client = Client::new(&config.connection, Purpose::Read)?;
    let mut parameters = parameters(&config.conditions)?;
    if !config.words.is_empty() {
        parameters.push(("q".to_owned(), config.words.join(" ")));
    }
    let order = if config.oldest { "asc" } else { "desc" };
    parameters.push(("order".to_owned(), order.to_owned()));
    let wanted = if config.all {
        usize::MAX
    } else {
        usize::try_from(config.count)?
    };
    let (mut shown, mut cursor) = (0, None::<String>);
    while shown < wanted {
        let mut url = client.url("api/v1/logs")?;
        let limit = (wanted - shown).min(PAGE).to_string();
        url.query_pairs_mut()
            .extend_pairs(&parameters)
            .append_pair("limit", &limit)
            .extend_pairs(cursor.iter().map(|cursor| ("cursor", cursor)));
        let page: Page = client.get_json(url).await?;
        warn(output, &page.unreadable);
        for entry in &page.entries {
            show(output, entry)?;
        }
        shown += page.entries.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    if cursor.is_some() {
        let more = "there may be more: ask for them with -n or --all";
        output.note(&output.paint(Style::Dim, more));
    } else if shown == 0 {
        output.note(&output.paint(Style::Dim, "nothing found"));
    }
    Ok(ExitCode::SUCCESS)
}

/// As the API names them.
pub(crate) fn parameters(asked: &Conditions) -> anyhow::Result<Vec<(String, String)>> {
    let named = [
        ("action", &asked.action),
        ("activity", &asked.activity),
        ("severity", &asked.severity),
        ("outcome", &asked.outcome),
        ("actor_id", &asked.actor_id),
        ("actor_type", &asked.actor_type),
        ("recorded_by", &asked.recorded_by),
        ("target_type", &asked.target_type),
        ("target_id", &asked.target_id),
        ("correlation_id", &asked.correlation_id),
        ("request_id", &asked.request_id),
        ("session_id", &asked.session_id),
        ("ip", &asked.ip),
        ("field", &asked.field),
        ("partition", &asked.partition),
        ("from", &asked.from),
        ("to", &asked.to),
    ];
    let given = named
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
    let mut parameters: Vec<_> = given.collect();
    for (option, given, form) in [
        ("label", &asked.label, "NAME=VALUE"),
        ("metadata", &asked.metadata, "PATH=VALUE"),
    ] {
        for pair in given {
            let (name, value) = pair
                .split_once('=')
                .with_context(|| format!("--{option} {pair}: not {form}"))?;
            parameters.push((format!("{option}.{name}"), value.to_owned()));
        }
    }
    Ok(parameters)
}
