//! Every route of the service, each with its description.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::service_accounts::{self, api_keys};
use crate::{State, keys, status, tenants, tokens, users};

/// Every route, with the state applied; the caller merges, documents and serves.
pub fn router(state: State) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(tokens::login::login))
        .routes(routes!(tokens::refresh::refresh))
        .routes(routes!(tokens::logout::logout))
        .routes(routes!(tokens::oauth::token))
        .routes(routes!(tenants::list::list, tenants::create::create))
        .routes(routes!(tenants::get::get, tenants::patch::patch))
        .routes(routes!(tenants::admins::admins))
        .routes(routes!(tenants::break_glass::request))
        .routes(routes!(tenants::break_glass::get))
        .routes(routes!(users::list::list, users::create::create))
        .routes(routes!(users::me::me))
        .routes(routes!(users::password::password))
        .routes(routes!(users::register::register))
        .routes(routes!(users::invites::invite))
        .routes(routes!(users::accept::accept))
        .routes(routes!(users::get::get, users::patch::patch))
        .routes(routes!(users::invites::invite_again))
        .routes(routes!(users::deactivate::deactivate))
        .routes(routes!(users::reactivate::reactivate))
        .routes(routes!(
            service_accounts::list::list,
            service_accounts::create::create
        ))
        .routes(routes!(
            service_accounts::get::get,
            service_accounts::patch::patch,
            service_accounts::delete::delete
        ))
        .routes(routes!(api_keys::list, api_keys::create))
        .routes(routes!(api_keys::revoke))
        .routes(routes!(keys::rotate::rotate))
        .routes(routes!(keys::published::jwks))
        .routes(routes!(keys::published::discovery))
        .routes(routes!(status::status))
        .with_state(state)
}
