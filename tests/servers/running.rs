//! A server that answers: somebody else's, a container, a process, or a PostgreSQL of our own. It
//! knows how to stop each, and leaves alone what it did not start.

use std::time::Duration;

use anyhow::{Context as _, bail};
use postgres::Postgres;
use testcontainers::{ContainerAsync, GenericImage};

use crate::process::Process;

/// From the start of a server to its first answer, on a busy machine.
pub(crate) const READY_WITHIN: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(100);

pub(crate) struct Running {
    url: String,
    variable: &'static str,
    kind: Kind,
}

enum Kind {
    Given,
    Postgres(Box<Postgres>),
    Process(Box<Process>),
    Container(Box<ContainerAsync<GenericImage>>),
}

impl Running {
    pub(crate) fn given(url: &str) -> Self {
        Self::new(url.to_owned(), Kind::Given)
    }

    pub(crate) fn postgres(url: String, postgres: Postgres) -> Self {
        Self::new(url, Kind::Postgres(Box::new(postgres)))
    }

    pub(crate) fn process(url: String, process: Process) -> Self {
        Self::new(url, Kind::Process(Box::new(process)))
    }

    pub(crate) fn container(url: String, container: ContainerAsync<GenericImage>) -> Self {
        Self::new(url, Kind::Container(Box::new(container)))
    }

    fn new(url: String, kind: Kind) -> Self {
        Self {
            url,
            variable: "",
            kind,
        }
    }

    /// Names the environment variable in which the command finds the address.
    pub(crate) fn told_as(mut self, variable: &'static str) -> Self {
        self.variable = variable;
        self
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn variable(&self) -> &'static str {
        self.variable
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        match self.kind {
            Kind::Given => Ok(()),
            Kind::Postgres(mut postgres) => postgres.stop().await,
            Kind::Process(process) => process.stop().await,
            Kind::Container(container) => {
                container.rm().await.context("cannot remove the container")
            }
        }
    }
}

/// Asks this address until it answers with 200 and a body that satisfies `good`.
///
/// # Errors
/// It does not within [`READY_WITHIN`].
pub(crate) async fn answers(url: &str, good: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()?;
    let asked = async {
        let mut poll = tokio::time::interval(POLL);
        loop {
            poll.tick().await;
            let Ok(response) = client.get(url).send().await else {
                continue;
            };
            let fine = response.status().is_success();
            if fine && response.text().await.is_ok_and(|body| good(&body)) {
                return;
            }
        }
    };
    if tokio::time::timeout(READY_WITHIN, asked).await.is_err() {
        bail!("{url} does not answer within {} s", READY_WITHIN.as_secs());
    }
    Ok(())
}
