//! The program `export-worker`.

use export_worker::program::Program;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Program::from_arguments().run().await
}
