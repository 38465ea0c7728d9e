//! `/openapi.json` (OpenAPI 3.1) and `/docs`, with assets that the program itself serves.

use axum::Router;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::error::{Place, Problem};

/// Where the description is.
pub const OPENAPI: &str = "/openapi.json";

/// Turns documented routes into served ones, with their description at `/openapi.json` and the
/// page at `/docs`. Adds bearer authentication (for every route that does not say otherwise) and
/// the problem document to the description.
pub fn mount(router: OpenApiRouter, title: &str, version: &str) -> Router {
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
    let page = Config::new([OPENAPI])
        .validator_url("none")
        .persist_authorization(false);
    let page = SwaggerUi::new("/docs")
        .config(page)
        .url(OPENAPI, description);
    router.merge(page)
}
