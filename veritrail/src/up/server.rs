//! Both services behind one listener, as they would be behind two: log-service
//! asks auth-service over HTTP like everybody else. It holds no rule of either.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::FromRef as _;
use secrecy::SecretString;
use service::config::InternalSecret;
use service::health::Health;
use service::{Access, Shutdown};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::data::DataDir;
use super::first_start;
use super::welcome::Welcome;
use super::workers::{self, Places, Workers};
use crate::config;
use crate::print::Output;

/// From serving to ready: the first answer of the status feed.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Between two questions whether it is ready.
const READY_AGAIN: Duration = Duration::from_millis(200);
/// What runs beside the routes writes its last entries.
const FINISHED_WITHIN: Duration = Duration::from_secs(20);

/// What a start is about.
pub(crate) struct Installation {
    pub(crate) origin: String,
    /// File of the installation's secret.
    pub(crate) secret: PathBuf,
    pub(crate) database: Database,
}

pub(crate) struct Database {
    pub(crate) url: SecretString,
    /// For `credentials.json`: where the owner may look into the database.
    pub(crate) owner_url: SecretString,
    /// For people: what runs it.
    pub(crate) description: String,
}

/// Both services, started and not served yet.
struct Services {
    auth: auth_service::State,
    log: log_service::State,
    workers: Workers,
    /// Outlives the last request: pollers, outbox, access records.
    after: Shutdown,
}

/// Serves until `stop`, which it also pulls when something ends by itself.
pub(crate) async fn run(
    data: &mut DataDir,
    config: &config::Up,
    installation: &Installation,
    output: Output,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    service::telemetry::init(&config.telemetry.log)?;
    service::metrics::init()?;
    // Bound before anything is made, so that a taken port leaves nothing behind.
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let base = here(address)?;
    // The services talk to each other past the connection cap of everybody else: a crowd must not
    // keep the status feed from being read.
    let inside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("cannot listen on loopback")?;
    let inner = here(inside.local_addr()?)?;
    let services = tokio::select! {
        services = start(data, installation, config, &base, &inner) => services?,
        () = stop.cancelled() => return Ok(()),
    };
    let settings = config.http.settings()?;
    let mut beside = beside(config, &services, &settings).await?;
    let after = services.after.clone();
    let access = Access::from_ref(&services.log);
    let streams = tokio::spawn(close_streams(services.log.clone(), stop.clone()));
    let (router, workers) = router(services);
    beside.spawn(workers.run(after.clone()));
    let internal = service::http::serve(inside, router.clone(), settings.clone(), after.clone());
    beside.spawn(async {
        if let Err(error) = internal.await {
            tracing::error!(%error, "the services do not hear each other");
        }
    });
    let mut serving = tokio::spawn(service::http::serve(
        listener,
        router,
        settings,
        shutdown(stop),
    ));

    let announce = async {
        ready(&access, &base).await?;
        Welcome {
            data,
            address,
            installation,
            output,
        }
        .say()?;
        std::future::pending::<anyhow::Result<()>>().await
    };
    let (served, finished) = tokio::select! {
        served = &mut serving => (served.context("serving stopped").and_then(|served| Ok(served?)), true),
        _ = beside.join_next() => (Err(anyhow::anyhow!("what runs beside the services ended")), false),
        failed = announce => (failed, false),
    };
    // The last answer first, then what the answers left to do.
    stop.cancel();
    if !finished {
        let _ = serving.await;
    }
    let _ = streams.await;
    after.begin();
    let rest = async { while beside.join_next().await.is_some() {} };
    if tokio::time::timeout(FINISHED_WITHIN, rest).await.is_err() {
        tracing::warn!("not everything finished in time");
    }
    served
}

/// Schemas, first credentials, services.
async fn start(
    data: &DataDir,
    installation: &Installation,
    up: &config::Up,
    base: &Url,
    inner: &Url,
) -> anyhow::Result<Services> {
    let secret = auth_service::Secret::read(&installation.secret)?;
    let url = &installation.database.url;
    log_service::migrate(url).await?;
    let issuer = base.as_str().trim_end_matches('/').to_owned();
    let config = auth(installation, &issuer, inner);
    first_start::bootstrap(data, installation, &config).await?;
    let after = Shutdown::new();
    let auth = auth_service::State::start(config)
        .await
        .context("cannot start auth-service")?;
    let places = Places::new(data.path(), url)?;
    let busy = search::Busy::default();
    let search = if up.no_index {
        None
    } else {
        Some(workers::search(&places, busy.clone()).await?)
    };
    let config = log_service::Config {
        database_url: url.clone(),
        origin: installation.origin.clone(),
        lanes: 4,
        readers: 8,
        allow_unsafe_server: false,
        streams: up.streams,
        auth: service::config::Auth {
            auth_url: inner.clone(),
            issuer,
            internal: InternalSecret {
                internal_secret: Some(secret.internal()),
                internal_secret_file: None,
            },
        },
        hints: service::config::Hints {
            index_queue_url: search.is_some().then(|| places.index_queue.clone()),
        },
        exports: log_service::ExportsConfig {
            store_url: Some(places.objects.to_string()),
            export_queue_url: Some(places.export_queue.clone()),
            ..log_service::ExportsConfig::default()
        },
        index: search::Config::default(),
        search: search.clone(),
    };
    // Boxed: the rest of the program would carry its size about.
    let log = Box::pin(log_service::State::start(config, &after))
        .await
        .context("cannot start log-service")?;
    let workers = Workers::open(workers::Wanted {
        database: url,
        origin: &installation.origin,
        places: &places,
        search,
        feed: Access::from_ref(&log).feed().clone(),
        busy,
        appended: {
            let log = log.clone();
            Box::new(move || log.appended())
        },
    });
    Ok(Services {
        auth,
        log,
        workers: workers.await.context("cannot start the workers")?,
        after,
    })
}

/// How auth-service is run here.
fn auth(installation: &Installation, issuer: &str, inner: &Url) -> auth_service::Config {
    auth_service::Config {
        database_url: installation.database.url.clone(),
        secret_file: installation.secret.clone(),
        internal_secret: None,
        internal_secret_file: None,
        issuer: issuer.to_owned(),
        log_url: inner.clone(),
        invite_url: None,
        signing_algorithm: auth_service::Algorithm::EdDsa,
        key_lead_seconds: 300,
        database_connections: 10,
        password_threads: None,
        password_queue: 64,
        trusted_proxies: Vec::new(),
        password_memory_kib: 19_456,
    }
}

fn router(services: Services) -> (axum::Router, Workers) {
    let Services {
        auth, log, workers, ..
    } = services;
    let health = health(&auth, &log).router(Access::from_ref(&log));
    let routes = auth_service::router(auth).merge(log_service::router(log));
    let version = env!("CARGO_PKG_VERSION");
    let router = service::docs::mount(routes, service::docs::Part::Whole, "Veritrail", version);
    (router.merge(health), workers)
}

/// Of both services; what the workers do without is what log-service watches.
fn health(auth: &auth_service::State, log: &log_service::State) -> Health {
    auth_service::health(auth).and(log_service::health(log))
}

/// What runs beside the routes until the last request was answered.
async fn beside(
    config: &config::Up,
    services: &Services,
    settings: &service::http::Settings,
) -> anyhow::Result<JoinSet<()>> {
    let mut beside = JoinSet::new();
    if let Some(address) = config.telemetry.admin_listen {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} for metrics"))?;
        let health = health(&services.auth, &services.log);
        let router = service::metrics::router().merge(health.detailed());
        let serving =
            service::http::serve(listener, router, settings.clone(), services.after.clone());
        beside.spawn(async {
            if let Err(error) = serving.await {
                tracing::error!(%error, "metrics are not served");
            }
        });
    }
    let (auth, access) = (services.auth.clone(), Access::from_ref(&services.log));
    let after = services.after.clone();
    beside.spawn(async move {
        // Before that, log-service would refuse what the outbox delivers.
        tokio::select! {
            () = access.until_ready() => auth_service::run(auth, after).await,
            () = after.wait() => {}
        }
    });
    beside.spawn(log_service::run(
        services.log.clone(),
        services.after.clone(),
    ));
    Ok(beside)
}

/// Sockets are not among the answers that a stop waits for: they are told, and end by themselves.
async fn close_streams(log: log_service::State, stop: CancellationToken) {
    stop.cancelled().await;
    log_service::close_streams(&log).await;
}

/// Waits until log-service has heard from auth-service, then asks what any load
/// balancer would.
async fn ready(access: &Access, base: &Url) -> anyhow::Result<()> {
    let late = || format!("not ready within {} s", READY_WITHIN.as_secs());
    tokio::time::timeout(READY_WITHIN, access.until_ready())
        .await
        .with_context(late)?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(READY_WITHIN)
        .build()?;
    // Somebody else may have asked a moment too early, and that answer is kept for a while.
    let readyz = base.join("readyz")?;
    let mut again = tokio::time::interval(READY_AGAIN);
    let deadline = tokio::time::Instant::now() + READY_WITHIN;
    loop {
        again.tick().await;
        let answer = client.get(readyz.clone()).send().await?;
        match answer.error_for_status() {
            Ok(_) => return Ok(()),
            Err(error) if tokio::time::Instant::now() >= deadline => {
                return Err(error).with_context(late);
            }
            Err(_) => {}
        }
    }
}

/// The address by which this machine reaches the listener.
pub(crate) fn here(address: SocketAddr) -> anyhow::Result<Url> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    Ok(Url::parse(&format!(
        "http://{}",
        SocketAddr::new(ip, address.port())
    ))?)
}

/// The services' own kind of stop, pulled by ours.
fn shutdown(stop: &CancellationToken) -> Shutdown {
    let (shutdown, stop) = (Shutdown::new(), stop.clone());
    let pulled = shutdown.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        pulled.begin();
    });
    shutdown
}
