//! What the program can be told, by argument and environment. Nothing else
//! reads the environment.

mod entries;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

pub(crate) use self::entries::{Conditions, Export, Search};

/// An audit trail that can be proved.
#[derive(Debug, Parser)]
#[command(name = "veritrail", version, about, propagate_version = true)]
pub(crate) struct Cli {
    /// Print JSON, one value a line, and no progress bars
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process: services, and the PostgreSQL they need
    Up(Box<Up>),
    /// Remember a server and who you are to it
    Login(Login),
    /// Append entries: one as an argument, or many from a file or standard input
    Append(Append),
    /// Append records of another system
    #[command(subcommand)]
    Import(Import),
    /// Show one entry
    Get(Get),
    /// Find entries by their words and values, newest first
    Search(Box<Search>),
    /// Show the last entries, and those that follow
    Tail(Tail),
    /// Take entries along: into a CSV, JSON lines or evidence file
    ///
    /// Exits 1 when an entry is met that is not what was recorded: there is no
    /// file then.
    Export(Box<Export>),
    /// List the partitions with their sizes and heads
    Partitions(Partitions),
    /// Recompute every hash and compare everything stored with it
    ///
    /// Exits 0 when all is well, 1 when something was tampered with, 2 when it
    /// could not tell.
    Verify(Verify),
    /// Look for what is in the way: data directory, PostgreSQL, ports, clock, server
    Doctor(Doctor),
}

/// Options of `up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Where everything is kept
    #[arg(
        long,
        value_name = "DIR",
        env = "VERITRAIL_DATA",
        default_value = ".veritrail"
    )]
    pub(crate) data: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDR",
        env = "VERITRAIL_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    pub(crate) listen: SocketAddr,
    /// Name of this installation, fixed at the first start: every chain's first
    /// hash contains it [default: veritrail.localhost]
    #[arg(long, value_name = "NAME", env = "VERITRAIL_ORIGIN")]
    pub(crate) origin: Option<String>,
    /// Use this PostgreSQL (15 to 18) instead of starting one
    #[arg(
        long,
        value_name = "URL",
        env = "VERITRAIL_DATABASE_URL",
        hide_env_values = true
    )]
    pub(crate) database_url: Option<SecretString>,
    /// Folder with the PostgreSQL programs (initdb, postgres) to use
    #[arg(long, value_name = "DIR", env = "VERITRAIL_POSTGRES_BIN")]
    pub(crate) postgres_bin: Option<PathBuf>,
    /// Say what to install instead of installing PostgreSQL
    #[arg(long)]
    pub(crate) no_install: bool,
    /// Index nothing: lists are read from the ledger, within bounds; a later start without this
    /// option indexes what was appended meanwhile
    #[arg(long)]
    pub(crate) no_index: bool,
    #[command(flatten)]
    pub(crate) http: service::config::Http,
    #[command(flatten)]
    pub(crate) telemetry: service::config::Telemetry,
    #[command(flatten)]
    pub(crate) streams: log_service::Streams,
}

/// Which server, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// Which login to use
    #[arg(
        long,
        value_name = "NAME",
        env = "VERITRAIL_PROFILE",
        default_value = "default"
    )]
    pub(crate) profile: String,
    /// The server, instead of the profile's; needs `VERITRAIL_API_KEY`
    #[arg(long, value_name = "URL", env = "VERITRAIL_SERVER")]
    pub(crate) server: Option<Url>,
    /// How long to go on when the server is busy or away, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) patience: u64,
}

/// Options of `login`.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The server
    #[arg(long, value_name = "URL", env = "VERITRAIL_SERVER")]
    pub(crate) server: Option<Url>,
    /// The tenant's code
    #[arg(long, value_name = "CODE")]
    pub(crate) tenant: Option<String>,
    /// Your name or e-mail address there; the password is asked for
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Read the password from standard input instead of asking
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Read a service account's API key from standard input
    #[arg(long, conflicts_with_all = ["username", "password_stdin"])]
    pub(crate) api_key_stdin: bool,
    /// Data directory of a local `veritrail up`, whose administrator logs in
    /// when no tenant and no API key is given
    #[arg(
        long,
        value_name = "DIR",
        env = "VERITRAIL_DATA",
        default_value = ".veritrail"
    )]
    pub(crate) data: PathBuf,
    /// What to remember it as
    #[arg(
        long,
        value_name = "NAME",
        env = "VERITRAIL_PROFILE",
        default_value = "default"
    )]
    pub(crate) profile: String,
}

/// Options of `append`.
#[derive(Debug, Args)]
pub(crate) struct Append {
    /// One entry: JSON, or an action followed by `actor=TYPE:ID`,
    /// `target=TYPE:ID`, `label.NAME=VALUE` and other members; left out or `-`:
    /// JSON objects from standard input
    #[arg(value_name = "ENTRY")]
    pub(crate) entry: Vec<String>,
    /// Read JSON objects, one a line, from this file
    #[arg(long, short, value_name = "FILE", conflicts_with = "entry")]
    pub(crate) file: Option<PathBuf>,
    /// The partition of entries that name none
    #[arg(long, value_name = "NAME")]
    pub(crate) partition: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Records of AWS CloudTrail, .json or .json.gz; importing twice adds nothing
    Cloudtrail(Cloudtrail),
}

/// Options of `import cloudtrail`.
#[derive(Debug, Args)]
pub(crate) struct Cloudtrail {
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The partition to append to
    #[arg(long, value_name = "NAME")]
    pub(crate) partition: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Options of `get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    #[arg(value_name = "ID")]
    pub(crate) id: uuid::Uuid,
    /// The evidence form: the exact texts that are hashed
    #[arg(long)]
    pub(crate) evidence: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Options of `tail`.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// How many
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    pub(crate) count: u32,
    /// Go on with what follows, until interrupted
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only this partition
    #[arg(long, value_name = "NAME")]
    pub(crate) partition: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Options of `partitions`.
#[derive(Debug, Args)]
pub(crate) struct Partitions {
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Options of `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Only this partition; left out, all of the tenant's
    #[arg(long, value_name = "NAME")]
    pub(crate) partition: Option<String>,
    /// The installation's name, which the first hash of each chain contains;
    /// left out, as the login remembers it
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: Option<String>,
    /// The tenant's code, likewise
    #[arg(long, value_name = "CODE")]
    pub(crate) tenant: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The data directory of `veritrail up`
    #[arg(
        long,
        value_name = "DIR",
        env = "VERITRAIL_DATA",
        default_value = ".veritrail"
    )]
    pub(crate) data: PathBuf,
    /// Where `veritrail up` would listen
    #[arg(
        long,
        value_name = "ADDR",
        env = "VERITRAIL_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    pub(crate) listen: SocketAddr,
    /// Folder with the PostgreSQL programs (initdb, postgres) to use
    #[arg(long, value_name = "DIR", env = "VERITRAIL_POSTGRES_BIN")]
    pub(crate) postgres_bin: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// An API key instead of a login. It is no option, since every user of a machine
/// can read the arguments of the others' processes.
pub(crate) fn api_key() -> Option<SecretString> {
    let key = std::env::var_os("VERITRAIL_API_KEY")?.into_string().ok()?;
    Some(SecretString::from(key)).filter(|key| !key.expose_secret().is_empty())
}

/// Whether colour is unwelcome: <https://no-color.org>.
pub(crate) fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
