//! Settings: what a bad value says, and that secrets do not show.

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use secrecy::ExposeSecret;
use service::config::{Auth, Http, Telemetry};
use uuid::Uuid;

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    http: Http,
    #[command(flatten)]
    telemetry: Telemetry,
    #[command(flatten)]
    auth: Auth,
}

fn program(arguments: &[&str]) -> Result<Program, clap::Error> {
    Program::try_parse_from(["program"].iter().chain(arguments))
}

/// A file of its own, gone with the test.
struct File(PathBuf);

impl File {
    fn with(text: &str) -> Self {
        let path = std::env::temp_dir().join(Uuid::new_v4().to_string());
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn a_secret_comes_from_a_setting_or_a_file() {
    let file = File::with("from the file\n");
    for (arguments, expected) in [
        (["--internal-secret", "given"], "given"),
        (["--internal-secret-file", file.path()], "from the file"),
    ] {
        let program = program(&arguments).unwrap();
        let secret = program.auth.internal.resolve().unwrap();
        assert_eq!(secret.expose_secret(), expected);
        assert!(!format!("{program:?} {secret:?}").contains(expected));
    }
}

#[test]
fn a_secret_that_is_not_there_names_its_variable() {
    let empty = File::with("\n");
    let path = empty.path();
    for (arguments, expected) in [
        (
            &[][..],
            "INTERNAL_SECRET or INTERNAL_SECRET_FILE must be set",
        ),
        (&["--internal-secret", ""], "INTERNAL_SECRET: empty"),
        (&["--internal-secret-file", path], "INTERNAL_SECRET: empty"),
        (
            &["--internal-secret-file", "/nowhere"],
            "INTERNAL_SECRET_FILE: /nowhere",
        ),
        (
            &["--internal-secret", "a", "--internal-secret-file", path],
            "INTERNAL_SECRET and INTERNAL_SECRET_FILE: set one of them",
        ),
    ] {
        let auth = program(arguments).unwrap().auth;
        let error = auth.internal.resolve().unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn origins_are_origins() {
    let fine = "https://app.example.com,http://localhost:3000";
    let http = program(&["--cors-origins", fine]).unwrap().http;
    assert_eq!(http.settings().unwrap().cors_origins.len(), 2);
    assert!(
        program(&[])
            .unwrap()
            .http
            .settings()
            .unwrap()
            .cors_origins
            .is_empty()
    );
    for bad in [
        "*",
        "app.example.com",
        "https://app.example.com/",
        "null",
        "",
    ] {
        let http = program(&["--cors-origins", bad]).unwrap().http;
        let error = http.settings().unwrap_err().to_string();
        assert!(error.starts_with("CORS_ORIGINS: "), "{error}");
    }
    let none = program(&["--max-connections", "0"]).unwrap().http;
    assert!(none.settings().is_err());
}

#[test]
fn metrics_are_on_loopback_unless_said_otherwise() {
    let listen = |text: &str| {
        let program = program(&["--admin-listen", text]);
        program.map(|program| program.telemetry.admin_listen.unwrap().to_string())
    };
    assert_eq!(listen("9000").unwrap(), "127.0.0.1:9000");
    assert_eq!(listen("0.0.0.0:9000").unwrap(), "0.0.0.0:9000");
    assert!(listen("localhost").is_err());
    assert_eq!(program(&[]).unwrap().telemetry.admin_listen, None);
}

#[test]
fn a_bad_log_filter_is_named() {
    let error = service::telemetry::json("info,=what=", std::io::sink)
        .err()
        .unwrap();
    assert!(error.to_string().contains("LOG"), "{error}");
}
