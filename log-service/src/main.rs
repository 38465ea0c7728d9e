//! The program `log-service`.

use log_service::program::Program;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Program::from_arguments().run().await
}
