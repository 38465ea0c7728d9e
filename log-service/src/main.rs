//! The program `log-service`.

use log_service::program::Program;

/// Requests allocate on one thread and are freed on another, thousands of times a second.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Program::from_arguments().run().await
}
