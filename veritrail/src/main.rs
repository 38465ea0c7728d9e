//! The single binary: `up` runs the whole of Veritrail in one process, the
//! other commands are the command line. It wires and prints; what an entry is,
//! how it is stored and who may do what is decided elsewhere.

mod append;
mod client;
mod cloudtrail;
mod config;
mod doctor;
mod export;
mod get;
mod import;
mod login;
mod partitions;
mod posting;
mod print;
mod profile;
mod search;
mod tail;
mod up;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use crate::config::{Cli, Command};
use crate::print::Output;

/// Requests allocate on one thread and are freed on another, thousands of times a second.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return output.failed(&anyhow::Error::new(error)),
    };
    match runtime.block_on(run(cli.command, output)) {
        Ok(code) => code,
        Err(error) => output.failed(&error),
    }
}

async fn run(command: Command, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        // Boxed: the other commands would carry its size about.
        Command::Up(config) => Box::pin(up::run(*config, output)).await,
        Command::Login(config) => login::run(config, output).await,
        Command::Append(config) => append::run(config, output).await,
        Command::Import(config) => import::run(config, output).await,
        Command::Get(config) => get::run(config, output).await,
        Command::Search(config) => search::run(*config, output).await,
        Command::Tail(config) => tail::run(config, output).await,
        Command::Export(config) => export::run(*config, output).await,
        Command::Partitions(config) => partitions::run(config, output).await,
        Command::Verify(config) => verify::run(config, output).await,
        Command::Doctor(config) => doctor::run(config, output).await,
    }
}
