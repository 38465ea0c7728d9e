//! Every service and worker as a process of its own, on PostgreSQL, SQS, S3 and OpenSearch, and one
//! address in front of them.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::member::Plan;
use crate::one_process::secret;
use crate::ports::some_free_ports;
use crate::{Entry, INTERNAL_SECRET, Installation, Member, ORIGIN, Program, Wanted, aws, database};

const READY_WITHIN: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// How many of each program there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub log_services: usize,
    pub indexer_workers: usize,
    pub export_workers: usize,
}

impl Shape {
    /// Two of everything that can be two.
    pub const WHOLE: Self = Self {
        log_services: 2,
        indexer_workers: 2,
        export_workers: 2,
    };

    /// The services alone: nothing is searched or exported.
    pub const fn services(log_services: usize) -> Self {
        Self {
            log_services,
            indexer_workers: 0,
            export_workers: 0,
        }
    }

    /// Each process, in the order of the start: program, name, and what it says when it is ready.
    fn members(self) -> impl Iterator<Item = (&'static str, String, &'static str)> {
        [
            ("auth-service", 1, "auth-service serves"),
            ("log-service", self.log_services, "log-service serves"),
            (
                "indexer-worker",
                self.indexer_workers,
                "indexer-worker works",
            ),
            ("export-worker", self.export_workers, "export-worker works"),
        ]
        .into_iter()
        .flat_map(|(program, count, ready)| {
            let name = move |number| match program {
                "auth-service" => program.to_owned(),
                _ => format!("{program}-{number}"),
            };
            (1..=count).map(move |number| (program, name(number), ready))
        })
    }
}

pub(crate) async fn start(shape: Shape, wanted: &Wanted<'_>) -> anyhow::Result<Installation> {
    let &Wanted {
        name,
        folder,
        servers,
        ..
    } = wanted;
    let database_url = database::create(&servers.database_url, name).await?;
    aws::create(servers, name).await?;
    let plans = plans(shape)?;
    let (mut auth_urls, log_urls) = (urls(&plans, "auth-service"), urls(&plans, "log-service"));
    let auth_url = auth_urls.remove(0);
    let entry = Entry::start(wanted.listen, &auth_url, &log_urls).await?;

    std::fs::write(folder.join("secret"), secret())?;
    let environment = environment(wanted, &database_url, &auth_url, &log_urls);
    let credentials = set_up(folder, &environment).await?;

    let mut members = Vec::new();
    for plan in plans {
        let environment = &environment;
        let mut member = Member::new(
            Plan {
                environment,
                ..plan
            },
            folder,
        );
        member.launch()?;
        members.push(member);
    }
    for member in &mut members {
        member.ready().await?;
    }
    for url in std::iter::once(&auth_url).chain(&log_urls) {
        answers(&format!("{url}/readyz")).await?;
    }
    Ok(Installation {
        url: entry.url().to_owned(),
        auth_url,
        log_urls,
        credentials,
        database_url,
        folder: folder.to_owned(),
        members,
        name: name.to_owned(),
        servers: servers.clone(),
        way: wanted.way,
        entry: Some(entry),
    })
}

/// Every process with its addresses.
fn plans(shape: Shape) -> anyhow::Result<Vec<Plan<'static>>> {
    let members: Vec<_> = shape.members().collect();
    let ports = some_free_ports(members.len() * 2)?;
    let plans = members.into_iter().zip(ports.chunks_exact(2));
    let plans = plans.map(|((program, name, ready), ports)| Plan {
        program,
        name,
        listen: program
            .ends_with("service")
            .then_some((Ipv4Addr::LOCALHOST, ports[0]).into()),
        admin_port: ports[1],
        arguments: &[],
        environment: &[],
        ready,
    });
    Ok(plans.collect())
}

fn urls(plans: &[Plan<'_>], program: &str) -> Vec<String> {
    let listening = plans.iter().filter(|plan| plan.program == program);
    listening
        .filter_map(|plan| plan.listen.map(|listen| format!("http://{listen}")))
        .collect()
}

fn environment(
    wanted: &Wanted<'_>,
    database_url: &str,
    auth_url: &str,
    log_urls: &[String],
) -> Vec<(String, String)> {
    let &Wanted {
        name,
        folder,
        servers,
        log,
        ..
    } = wanted;
    let own = [
        ("DATABASE_URL", database_url.to_owned()),
        ("SECRET_FILE", folder.join("secret").display().to_string()),
        ("INTERNAL_SECRET", INTERNAL_SECRET.to_owned()),
        ("ISSUER", auth_url.to_owned()),
        ("AUTH_URL", auth_url.to_owned()),
        ("LOG_URL", log_urls[0].clone()),
        ("ORIGIN", ORIGIN.to_owned()),
        ("LOG", log.to_owned()),
        ("INDEX_URL", servers.opensearch_url.clone()),
        ("INDEX_PREFIX", name.to_owned()),
        ("INDEX_QUEUE_URL", aws::queue_url(name, "index")),
        ("EXPORT_QUEUE_URL", aws::queue_url(name, "export")),
        ("STORE_URL", aws::store_url(name)),
        ("STORE_PUBLIC_ENDPOINT", servers.localstack_url.clone()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    own.into_iter().chain(aws::environment(servers)).collect()
}

/// Schemas and first credentials.
async fn set_up(
    folder: &Path,
    environment: &[(String, String)],
) -> anyhow::Result<serde_json::Value> {
    let credentials = folder.join("credentials.json");
    let file = credentials.to_str().context("a path that is no text")?;
    let steps: [(&str, &[&str]); 3] = [
        ("log-service", &["migrate"]),
        ("auth-service", &["migrate"]),
        ("auth-service", &["bootstrap", "--credentials-file", file]),
    ];
    let log = folder.join("set-up.log");
    for (program, arguments) in steps {
        let mut running = Program::start(program, arguments, environment, &log)?;
        let code = running.ends().await?;
        ensure!(
            code == Some(0),
            "{program} {arguments:?}: {}",
            running.printed()?
        );
    }
    Ok(serde_json::from_slice(&std::fs::read(credentials)?)?)
}

async fn answers(url: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let asked = async {
        let mut poll = tokio::time::interval(POLL);
        loop {
            poll.tick().await;
            let answer = client.get(url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
        }
    };
    if tokio::time::timeout(READY_WITHIN, asked).await.is_err() {
        bail!("{url} is not ready in time");
    }
    Ok(())
}
