//! Load generator and side-by-side comparisons: starts a Veritrail of its own, loads it and the
//! yardsticks in turn, and prints the ratios. Listens nowhere, connects to loopback and the
//! OpenSearch that it is given only, and ends only what it started. Never asserts an absolute time.

mod asked;
mod check;
mod client;
mod config;
mod cpu;
mod database;
mod entries;
mod follow;
mod http;
mod load;
mod opensearch;
mod preload;
mod programs;
mod report;
mod rows;
mod system;
mod template;
mod tenants;
mod varied;

use anyhow::Result;
use clap::Parser as _;

use crate::config::Config;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    rows::run(&Config::parse()).await
}
