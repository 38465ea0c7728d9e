//! The program `auth-service`.

use auth_service::Program;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Program::from_arguments().run().await
}
