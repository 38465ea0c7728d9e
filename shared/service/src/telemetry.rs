//! Logs: one JSON object per line on standard error, or lines for people on a terminal.
//!
//! Lines carry the id of the request at hand and never a token, a password, a body or a query string.

use std::fmt;
use std::io::IsTerminal;

use anyhow::Context;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{
    FmtContext, FormatEvent, FormatFields, MakeWriter, SubscriberBuilder,
};
use tracing_subscriber::registry::LookupSpan;

use crate::request;

/// Installs the process-wide subscriber and the panic hook. `filter` is a level or `tracing`
/// directives (`info,service=debug`); a bad one is an error.
pub fn init(filter: &str) -> anyhow::Result<()> {
    let installed = if std::io::stderr().is_terminal() {
        let people = builder(filter, std::io::stderr)?.event_format(People(Format::default()));
        tracing::subscriber::set_global_default(people.finish())
    } else {
        tracing::subscriber::set_global_default(json(filter, std::io::stderr)?)
    };
    installed.context("another log subscriber is there")?;
    std::panic::set_hook(Box::new(|panic| {
        // A formatted message may quote what was being worked on; a literal one cannot.
        let message = panic.payload().downcast_ref::<&'static str>();
        let message = message.copied().unwrap_or("formatted message, not logged");
        let place = panic.location().map(tracing::field::display);
        tracing::error!(place, panic = message, "panicked");
    }));
    Ok(())
}

/// A JSON subscriber that writes elsewhere, for tests that read what was logged.
pub fn json<W>(filter: &str, writer: W) -> anyhow::Result<impl Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    Ok(builder(filter, writer)?.event_format(Json).finish())
}

type Builder<W> =
    SubscriberBuilder<tracing_subscriber::fmt::format::DefaultFields, Format, EnvFilter, W>;

fn builder<W>(filter: &str, writer: W) -> anyhow::Result<Builder<W>>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(filter);
    let filter = filter.context("log filter (LOG): not a level or directives")?;
    Ok(tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer))
}

/// One JSON object per event: `timestamp`, `level`, `target`, `message`, `request_id`, fields.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::new();
        line.insert("timestamp".into(), time.into());
        let level = event.metadata().level().as_str();
        line.insert("level".into(), level.to_ascii_lowercase().into());
        line.insert("target".into(), event.metadata().target().into());
        if let Some(id) = request::id() {
            line.insert("request_id".into(), id.into());
        }
        event.record(&mut Fields(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        self.put(field, text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

/// The usual lines, with the request's id at the front.
struct People(Format);

impl<S, N> FormatEvent<S, N> for People
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if let Some(written) = request::with_id(|id| write!(writer, "[{id}] ")) {
            written?;
        }
        self.0.format_event(context, writer, event)
    }
}
