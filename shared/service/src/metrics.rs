//! Prometheus metrics, on a listener of their own. No tenant, user or entry is ever a label.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::http::header;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Bounds of time histograms, in seconds: from a statement to an export of hours.
const SECONDS: [f64; 18] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, 300.0,
    1800.0, 7200.0,
];
/// Histograms gather samples until somebody sorts them into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the process-wide recorder; later calls do nothing. Needs a runtime.
pub fn init() -> anyhow::Result<()> {
    if RECORDER.get().is_some() {
        return Ok(());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .build_recorder();
    let handle = recorder.handle();
    if RECORDER.set(handle.clone()).is_err() {
        return Ok(());
    }
    metrics::set_global_recorder(recorder)
        .ok()
        .context("another metrics recorder is there")?;
    describe();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            handle.run_upkeep();
        }
    });
    Ok(())
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("http_requests_total", "Requests answered");
    describe_histogram!(
        "http_request_duration_seconds",
        "Time from a request's headers to its answer's headers"
    );
    describe_counter!(
        "http_requests_abandoned_total",
        "Requests whose client went away before the answer"
    );
    describe_gauge!("http_connections", "Open connections");
    describe_counter!(
        "http_body_budget_refused_total",
        "Requests refused because too many body bytes were in memory"
    );
    describe_gauge!("status_feed_age_seconds", "Age of the status feed");
}

/// `/metrics` (Prometheus text) and `/livez`, for the second listener.
pub fn router() -> Router {
    Router::new()
        .route("/metrics", get(render))
        .route("/livez", get(async || "ok\n"))
}

async fn render() -> ([(header::HeaderName, &'static str); 1], String) {
    let text = RECORDER.get().map(PrometheusHandle::render);
    let version = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, version)], text.unwrap_or_default())
}
