//! `/openapi.json` (OpenAPI 3.1) and `/docs`, with assets that the program itself serves.

use axum::Router;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

use crate::error::{Place, Problem};

/// Where the description is.
pub const OPENAPI: &str = "/openapi.json";
/// Where auth-service's is as well: among the routes that come to it where one address is in front of both services.
pub const ACCOUNTS: &str = "/api/v1/auth/openapi.json";

/// What routes a program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those of both services.
    Whole,
    /// auth-service's.
    Accounts,
    /// log-service's; its page has those of accounts too, from beside it.
    Trail,
}

/// Turns documented routes into served ones, with their description at `/openapi.json`, with accounts also at
/// `/api/v1/auth/openapi.json`, and the page at `/docs`. Adds bearer authentication (for every route that does not say otherwise) and
/// the problem document to the description.
pub fn mount(router: OpenApiRouter, part: Part, title: &'static str, version: &str) -> Router {
    let (router, mut description) = router.split_for_parts();
    description.info = InfoBuilder::new().title(title).version(version).build();
    let components = description.components.take().unwrap_or_default();
    let components = ComponentsBuilder::from(components)
        .security_scheme(
            "bearer",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        )
        .schema(Problem::name(), Problem::schema())
        .schema(Place::name(), Place::schema())
        .build();
    description.components = Some(components);
    let bearer = SecurityRequirement::new::<_, [&str; 0], &str>("bearer", []);
    description.security.get_or_insert_default().push(bearer);
    // The page must not ask a validator elsewhere, nor remember a token.
    let mut listed = vec![Url::new(title, OPENAPI)];
    if part == Part::Trail {
        listed.push(Url::new("Accounts", ACCOUNTS));
    }
    let page = Config::new(listed)
        .validator_url("none")
        .persist_authorization(false);
    let mut page = SwaggerUi::new("/docs").config(page);
    if part != Part::Trail {
        page = page.url(ACCOUNTS, description.clone());
    }
    router.merge(page.url(OPENAPI, description))
}
