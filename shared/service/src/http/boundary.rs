//! The one middleware: request id and trace, panics, problem documents, metrics, one log line.
//!
//! Logs the route's template, never the address, the query string, a header or a body.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use metrics::{Counter, Histogram};
use tower::{Layer, Service};

use crate::body::Intake;
use crate::error::{ApiError, Failure};
use crate::request::{Context, TRACEPARENT, X_REQUEST_ID};

const NOSNIFF: HeaderName = header::X_CONTENT_TYPE_OPTIONS;

/// Wraps each route.
#[derive(Debug, Clone)]
pub(super) struct Boundary {
    intake: Arc<Intake>,
}

impl Boundary {
    pub(super) fn new(intake: Arc<Intake>) -> Self {
        Self { intake }
    }
}

impl<S> Layer<S> for Boundary {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded {
            inner,
            intake: Arc::clone(&self.intake),
            series: Arc::default(),
        }
    }
}

/// A route within its boundary. The router makes one for each route, so the metrics of a route
/// are looked up once and not at each request.
#[derive(Clone)]
pub(super) struct Bounded<S> {
    inner: S,
    intake: Arc<Intake>,
    series: Arc<Series>,
}

impl<S> Service<Request> for Bounded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let started = Instant::now();
        let context = Arc::new(Context::new(request.headers(), Arc::clone(&self.intake)));
        let route = request.extensions().get::<MatchedPath>().cloned();
        let method = request.method().clone();
        let series = Arc::clone(&self.series);
        let answer = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let answer = Arc::clone(&context).scope(answer);
        Box::pin(async move {
            let abandoned = Abandoned {
                context: &context,
                method: &method,
                route: template(route.as_ref()),
            };
            let outcome = answer.await;
            std::mem::forget(abandoned);
            let elapsed = started.elapsed();
            Ok(context.enter(|| {
                let mut response = settle(outcome);
                let failure = response.extensions_mut().remove::<Failure>();
                let headers = response.headers_mut();
                headers.insert(X_REQUEST_ID, context.id_header());
                headers.insert(TRACEPARENT, context.traceparent());
                headers.insert(NOSNIFF, HeaderValue::from_static("nosniff"));
                let no_store = HeaderValue::from_static("no-store");
                headers.entry(header::CACHE_CONTROL).or_insert(no_store);
                let route = template(route.as_ref());
                let status = response.status();
                series.record(route, &method, status, elapsed);
                log(&context, &method, route, status, elapsed, failure.as_ref());
                response
            }))
        })
    }
}

/// The route as it was declared; what no route takes has none.
fn template(route: Option<&MatchedPath>) -> &str {
    route.map_or("none", MatchedPath::as_str)
}

/// Dropped with a request that ends before its answer: the client went away, or the drain time
/// was over.
struct Abandoned<'a> {
    context: &'a Arc<Context>,
    method: &'a Method,
    route: &'a str,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        metrics::counter!("http_requests_abandoned_total").increment(1);
        let (method, route) = (self.method.as_str(), self.route);
        self.context
            .enter(|| tracing::info!(target: "http", method, route, "request abandoned"));
    }
}

/// What the client gets: panics and bare refusals of the router become problem documents.
fn settle(outcome: Result<Result<Response, Infallible>, Box<dyn Any + Send>>) -> Response {
    let Ok(Ok(response)) = outcome else {
        // What was said is with the panic hook; here it would only be guessed at.
        return ApiError::Internal(anyhow::anyhow!("handler panicked")).into_response();
    };
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    let bare = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|content_type| content_type.as_bytes().starts_with(b"text/plain"));
    if !failed || !bare {
        return response;
    }
    let error = match status {
        StatusCode::NOT_FOUND => ApiError::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ApiError::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::UnsupportedMediaType,
        status if status.is_client_error() => ApiError::BadRequest {
            code: "bad_request",
            detail: "the request is not one that this route takes".into(),
        },
        status => ApiError::Internal(anyhow::anyhow!("bare {status} from a handler")),
    };
    let mut problem = error.into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem
}

/// One line for each request: failures of ours at `error` or `warn`, of the client at `info`,
/// everything else at `debug`.
fn log(
    context: &Context,
    method: &Method,
    route: &str,
    status: StatusCode,
    elapsed: Duration,
    failure: Option<&Failure>,
) {
    macro_rules! line {
        ($level:ident) => {{
            let identity = context.identity();
            let source = failure.and_then(|failure| failure.source.as_ref());
            tracing::$level!(
                target: "http",
                method = method.as_str(),
                route,
                status = status.as_u16(),
                ms = elapsed.as_secs_f64() * 1000.0,
                principal = identity.map(|who| tracing::field::display(who.principal)),
                tenant = identity.and_then(|who| who.tenant).map(tracing::field::display),
                code = failure.map(|failure| failure.code),
                error = source.map(|source| format!("{source:#}")),
                "request"
            );
        }};
    }
    match status.as_u16() {
        500 => line!(error),
        501.. => line!(warn),
        400.. => line!(info),
        _ => line!(debug),
    }
}

const METHODS: [Method; 8] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
    Method::TRACE,
];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The metrics of one route, by method (the last: any other) and status class.
#[derive(Default)]
struct Series([[OnceLock<(Counter, Histogram)>; CLASSES.len()]; METHODS.len() + 1]);

impl Series {
    fn record(&self, route: &str, method: &Method, status: StatusCode, elapsed: Duration) {
        let known = METHODS.iter().position(|known| known == method);
        let row = known.unwrap_or(METHODS.len());
        let column = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        let (requests, seconds) = self.0[row][column].get_or_init(|| {
            let labels = [
                ("route", route.to_owned()),
                (
                    "method",
                    METHODS.get(row).map_or("other", Method::as_str).to_owned(),
                ),
                ("status", CLASSES[column].to_owned()),
            ];
            (
                metrics::counter!("http_requests_total", &labels),
                metrics::histogram!("http_request_duration_seconds", &labels),
            )
        });
        requests.increment(1);
        seconds.record(elapsed.as_secs_f64());
    }
}
