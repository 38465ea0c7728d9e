//! Every route of the service.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;
use crate::{append, exports, partitions, read, stream};

/// Every route, with the state applied; the caller merges, documents and serves.
pub fn router(state: State) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(append::append, read::list::list))
        .routes(routes!(append::bulk))
        .routes(routes!(exports::direct::direct))
        .routes(routes!(stream::follow))
        .routes(routes!(read::stats::stats))
        .routes(routes!(read::get::get))
        .routes(routes!(read::get::evidence))
        .routes(routes!(partitions::list, partitions::create))
        .routes(routes!(partitions::evidence::evidence))
        .routes(routes!(partitions::verify::verify))
        .routes(routes!(partitions::unclaimed::unclaimed))
        .routes(routes!(exports::create::create, exports::list))
        .routes(routes!(exports::get, exports::cancel))
        .routes(routes!(exports::download::download))
        .with_state(state)
}
