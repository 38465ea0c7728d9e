//! auth-service against a real PostgreSQL, one database for each test, and against a real receiver in log-service's place.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod bootstrap;
mod break_glass;
mod changes;
mod forge;
mod given_up;
mod installation;
mod keys;
mod login;
mod meanwhile;
mod outbox;
mod receiver;
mod refresh;
mod routes;
mod service_accounts;
mod status;
mod tenants;
mod users;
