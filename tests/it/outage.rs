//! auth-service is away: appends go on, everything else waits with 503, and all is well again when it
//! is back.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::system::System;

#[tokio::test(flavor = "multi_thread")]
async fn appends_outlive_auth_service() {
    let mut system = System::start(1).await;
    let admin = system.admin().await;
    let logs = format!("{}/api/v1/logs", system.log_urls[0]);
    let key = system.api_key().to_owned();
    let entry = json!({"action": "outage.lived_through"});
    let append = async |system: &System| {
        system
            .send(Method::POST, &logs, &key, Some(&entry))
            .await
            .status
    };
    assert_eq!(append(&system).await, StatusCode::CREATED);

    system.kill("auth-service", 0).await;
    system
        .until(Method::GET, &logs, &admin, StatusCode::SERVICE_UNAVAILABLE)
        .await;
    assert_eq!(
        append(&system).await,
        StatusCode::CREATED,
        "within the grace"
    );
    let refused = system.send(Method::GET, &logs, &admin, None).await;
    assert_eq!(refused.body["code"], "status_stale", "{refused:?}");
    let ready = format!("{}/readyz", system.log_urls[0]);
    let ready = system.send(Method::GET, &ready, "", None).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE, "{ready:?}");
    let unknown = system
        .send(
            Method::POST,
            &logs,
            &format!("vtk_{}", "A".repeat(43)),
            Some(&entry),
        )
        .await;
    assert_eq!(
        unknown.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "nobody can say whose key that is"
    );

    system.start_again("auth-service", 0).await;
    system
        .until(Method::GET, &logs, &admin, StatusCode::OK)
        .await;
    assert_eq!(append(&system).await, StatusCode::CREATED);
    system.finish().await;
}
