//! What `up` says when it is ready, and the address it leaves for others. It
//! never shows a secret.

use std::net::SocketAddr;
use std::path::Path;

use super::data::DataDir;
use super::first_start::CREDENTIALS;
use super::server::{Installation, here};
use crate::print::{Output, Style};

/// A start that is ready.
pub(crate) struct Welcome<'a> {
    pub(crate) data: &'a mut DataDir,
    pub(crate) address: SocketAddr,
    pub(crate) installation: &'a Installation,
    pub(crate) output: Output,
}

impl Welcome<'_> {
    pub(crate) fn say(self) -> anyhow::Result<()> {
        let here = here(self.address)?.to_string();
        let here = here.trim_end_matches('/');
        self.data.publish_address(here)?;
        let credentials = self.data.file(CREDENTIALS);
        let there = credentials.exists();
        self.output.value(&serde_json::json!({
            "ready": true,
            "address": here,
            "docs": format!("{here}/docs"),
            "data": self.data.path(),
            "origin": self.installation.origin,
            "credentials": there.then_some(&credentials),
        }))?;
        self.people(here, &credentials)?;
        if there && !self.address.ip().is_loopback() {
            let warning = format!(
                "warning: others can reach {}, and {} still holds the first passwords: \
                 keep them elsewhere and remove it",
                self.address,
                credentials.display(),
            );
            self.output
                .note(&self.output.paint(Style::Warning, &warning));
        }
        Ok(())
    }

    fn people(&self, here: &str, credentials: &Path) -> anyhow::Result<()> {
        let paint = |style, text: &str| self.output.paint(style, text);
        let database = &self.installation.database.description;
        let mut lines = vec![
            String::new(),
            format!(
                "{} at {}",
                paint(Style::Good, "Veritrail is ready"),
                paint(Style::Bold, here)
            ),
            String::new(),
            format!("  docs         {here}/docs"),
            format!("  data         {} ({database})", self.data.path().display()),
        ];
        if credentials.exists() {
            lines.push(format!("  credentials  {}", credentials.display()));
        }
        lines.extend([
            String::new(),
            "In another terminal:".to_owned(),
            String::new(),
        ]);
        let program = std::env::args()
            .next()
            .unwrap_or_else(|| "veritrail".to_owned());
        let default = Path::new(".veritrail")
            .canonicalize()
            .is_ok_and(|path| path == self.data.path());
        let login = if default {
            format!("{program} login")
        } else {
            format!("{program} login --data {}", self.data.path().display())
        };
        for command in [
            login,
            format!("{program} import cloudtrail sample/cloudtrail.json.gz"),
            format!("{program} tail -n 5"),
        ] {
            lines.push(format!("  {}", paint(Style::Bold, &command)));
        }
        lines.extend([String::new(), paint(Style::Dim, "Ctrl-C stops everything.")]);
        lines.iter().try_for_each(|line| self.output.say(line))
    }
}
