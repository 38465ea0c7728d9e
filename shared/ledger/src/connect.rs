//! Connections: which role, which settings, and which servers are good enough.

use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use sqlx::{ConnectOptions, Connection};

use crate::{Config, Error, follow};

/// Longest wait for a lock and for a statement, on the server's side.
const LOCK_TIMEOUT: &str = "5s";
const STATEMENT_TIMEOUT: &str = "10s";
/// The server ends a transaction that its client left open.
const IDLE_TIMEOUT: &str = "10s";
/// A statement that has no reply by then has lost its connection.
pub(crate) const REPLY_TIMEOUT: Duration = Duration::from_secs(15);
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is taken to be alive.
pub(crate) const TRUSTED: Duration = Duration::from_millis(500);

fn options(config: &Config, name: &str, role: &str) -> Result<PgConnectOptions, Error> {
    session(&config.url, name, role)
}

fn session(url: &SecretString, name: &str, role: &str) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(url.expose_secret());
    let options = options.map_err(Error::Database)?;
    Ok(options
        .application_name(name)
        .disable_statement_logging()
        .options([
            ("role", role),
            ("search_path", "pg_catalog"),
            ("lock_timeout", LOCK_TIMEOUT),
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("idle_in_transaction_session_timeout", IDLE_TIMEOUT),
            // Costs that come from disabled plan shapes would otherwise compile every statement.
            ("jit", "off"),
        ]))
}

/// Of a lane. Its statements look rows up by whole keys only, and keep one plan each, whatever the
/// statistics of the moment: a plan made on young tables would scan them when they have grown.
pub(crate) fn lane_options(config: &Config) -> Result<PgConnectOptions, Error> {
    let options = options(config, "ledger lane", "veritrail_append")?;
    Ok(options.options([
        // Whoever waits for a locked chain holds up the other chains of its lane.
        ("lock_timeout", "1s"),
        ("synchronous_commit", "on"),
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_mergejoin", "off"),
        // A statement whose client is gone gives its locks back, and so does an idle session whose
        // client's machine is.
        ("client_connection_check_interval", "2s"),
        ("tcp_keepalives_idle", "5"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
    ]))
}

pub(crate) fn reader_options(config: &Config) -> Result<PgConnectOptions, Error> {
    options(config, "ledger reader", "veritrail_read")
}

pub(crate) fn readers(config: &Config) -> Result<PgPool, Error> {
    let options = reader_options(config)?;
    Ok(pool(config, config.readers.max(1)).connect_lazy_with(options))
}

/// Creates partitions.
pub(crate) fn writers(config: &Config) -> Result<PgPool, Error> {
    let options = options(config, "ledger writer", "veritrail_append")?;
    Ok(pool(config, 2).connect_lazy_with(options))
}

/// Looks at many tenants' chains in one statement, so not through the views. It only reads, by whole
/// keys, and keeps its plans like a lane.
pub(crate) fn tail_options(config: &Config) -> Result<PgConnectOptions, Error> {
    let options = options(config, "ledger tailer", "veritrail_append")?;
    Ok(options.options([
        ("default_transaction_read_only", "on"),
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_mergejoin", "off"),
        ("enable_hashjoin", "off"),
    ]))
}

fn pool(config: &Config, connections: u32) -> PoolOptions<sqlx::Postgres> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(config.acquire_timeout)
        // Asking a connection that was at work a moment ago whether it lives is a round trip for
        // nothing; one that died since then is noticed by the next statement.
        .test_before_acquire(false)
        .before_acquire(|connection: &mut PgConnection, state| {
            Box::pin(async move {
                if state.idle_for > TRUSTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// Followers look rows up by key; a plan made on young tables would scan them when they have grown.
pub(crate) fn follower_options(
    config: &follow::Config,
    name: &str,
) -> Result<PgConnectOptions, Error> {
    let options = session(&config.url, name, "veritrail_follow")?;
    Ok(options.options([
        ("enable_seqscan", "off"),
        ("client_connection_check_interval", "2s"),
        ("tcp_keepalives_idle", "5"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
    ]))
}

pub(crate) fn followers(config: &follow::Config) -> Result<PgPool, Error> {
    let options = follower_options(config, "ledger follower")?;
    let pool = PoolOptions::new()
        .max_connections(config.connections.max(1))
        .acquire_timeout(config.acquire_timeout);
    Ok(pool.connect_lazy_with(options))
}

/// Refuses a server that could lose what it acknowledged, and one that is too old.
pub(crate) async fn check_server(config: &Config) -> Result<(), Error> {
    let options = options(config, "ledger start", "veritrail_append")?;
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options));
    let mut connection = connecting
        .await
        .map_err(|_| Error::Unavailable(sqlx::Error::PoolTimedOut))?
        .map_err(Error::from_sqlx)?;
    let server = sqlx::query!(
        r#"select current_setting('server_version_num')::int4 as "number!",
                  current_setting('server_version') as "version!",
                  current_setting('fsync') as "fsync!",
                  current_setting('full_page_writes') as "full_page_writes!""#
    )
    .fetch_one(&mut connection)
    .await
    .map_err(Error::from_sqlx)?;
    if server.number < 150_000 {
        let version = server.version;
        return Err(Error::OldServer { version });
    }
    let settings = [
        ("fsync", &server.fsync),
        ("full_page_writes", &server.full_page_writes),
    ];
    let unsafe_setting = settings.into_iter().find(|(_, value)| *value != "on");
    if let Some((setting, _)) = unsafe_setting {
        if !config.allow_unsafe_server {
            return Err(Error::UnsafeServer { setting });
        }
        tracing::warn!(setting, "the server can lose acknowledged entries");
    }
    check_origin(&mut connection, config).await?;
    connection.close().await.map_err(Error::from_sqlx)
}

/// The first start decides the installation's name.
async fn check_origin(connection: &mut PgConnection, config: &Config) -> Result<(), Error> {
    let configured = config.origin.clone();
    if !is_origin(&configured) {
        return Err(Error::InvalidOrigin(configured));
    }
    sqlx::query!(
        "insert into ledger.installation (origin) values ($1) on conflict do nothing",
        configured
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::from_sqlx)?;
    let stored = sqlx::query_scalar!("select origin from ledger.installation")
        .fetch_one(connection)
        .await
        .map_err(Error::from_sqlx)?;
    if stored != configured {
        return Err(Error::OtherOrigin { stored, configured });
    }
    Ok(())
}

/// Format §4: `[a-z0-9.-]+(/[a-z0-9._-]+)*`, at most 100 bytes.
fn is_origin(text: &str) -> bool {
    let host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    let mut segments = text.split('/');
    let first = segments.next().unwrap_or_default();
    text.len() <= 100
        && !first.is_empty()
        && first.chars().all(host)
        && segments.all(|s| !s.is_empty() && s.chars().all(|c| host(c) || c == '_'))
}

/// What takes longer has lost its connection.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}
