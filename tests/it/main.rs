//! Stories over the real programs and a real PostgreSQL. Each ends by recomputing every chain with
//! code that shares nothing with the product (`independent.rs`).
#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a test reports"
)]

mod apart;
mod away;
mod changes;
mod documented;
mod forge;
mod independent;
mod killed;
mod moving;
mod outage;
mod postman;
mod replicas;
mod routes;
mod story;
mod system;
mod tenants;
mod wire;
