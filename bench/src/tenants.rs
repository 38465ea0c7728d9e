//! Tenants that a row makes for itself, each with an admin who reads and a service account that writes.

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::check::Trail;
use crate::client::Client;
use crate::system::{Credentials, Login, Service};

/// A tenant of the run's own.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) code: String,
    pub(crate) admin: Login,
    pub(crate) api_key: String,
}

impl Tenant {
    pub(crate) async fn create(auth: &Client, operator: &Login, code: &str) -> Result<Self> {
        let operator = auth.login(None, operator).await?;
        let body = json!({ "code": code, "name": "Bench", "admin": { "username": "admin" } });
        let made = auth.post("/api/v1/tenants", &operator, &body).await?;
        let password = uuid::Uuid::new_v4().to_string();
        let acceptance = json!({ "token": made["invite"]["token"], "password": password });
        auth.post("/api/v1/users/invites/accept", &operator, &acceptance)
            .await?;
        let admin = Login {
            username: "admin".to_owned(),
            password,
        };
        let token = auth.login(Some(code), &admin).await?;
        let body = json!({ "name": "bench" });
        let account = auth.post("/api/v1/service-accounts", &token, &body).await?;
        let id = account["id"].as_str().context("no id of the account")?;
        let path = format!("/api/v1/service-accounts/{id}/api-keys");
        let key = auth.post(&path, &token, &body).await?;
        let api_key = key["api_key"].as_str();
        Ok(Self {
            code: code.to_owned(),
            admin,
            api_key: api_key.context("no API key of the new account")?.to_owned(),
        })
    }

    /// Its trail in one partition, of an installation with these credentials.
    pub(crate) async fn trail(
        &self,
        auth: &Client,
        logs: Client,
        installation: &Credentials,
        partition: &str,
    ) -> Result<Trail> {
        let credentials = Credentials {
            tenant: self.code.clone(),
            admin: self.admin.clone(),
            service: Service {
                api_key: self.api_key.clone(),
            },
            ..installation.clone()
        };
        Trail::open(auth, logs, &credentials, partition).await
    }
}
