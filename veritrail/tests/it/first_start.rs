//! `up`: what a first start makes, what a second one leaves alone, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::{Signal, kill_process};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::veritrail::{Place, postmaster, wait_for_end};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_first_start_makes_everything_and_a_second_changes_nothing() {
    let place = Place::new();
    let up = place.up();
    assert_eq!(mode(&place.data("credentials.json")), 0o600);
    assert_eq!(mode(&place.data("secret")), 0o600);
    assert_eq!(mode(&place.data("socket")), 0o700);
    assert_eq!(
        fs::read_to_string(place.data("address")).unwrap().trim(),
        up.address
    );
    let credentials = fs::read(place.data("credentials.json")).unwrap();
    let secret = fs::read(place.data("secret")).unwrap();
    let named = place.credentials();
    for member in [
        "/operator/username",
        "/operator/password",
        "/tenant",
        "/admin/username",
        "/admin/password",
        "/service/client_id",
        "/service/client_secret",
        "/service/api_key",
        "/database_url",
        "/origin",
    ] {
        assert!(
            named
                .pointer(member)
                .is_some_and(serde_json::Value::is_string),
            "{member}"
        );
    }
    place.run(&["login"]).good();
    let before = place.run(&["partitions", "--json"]).good().value();

    // Ctrl-C stops everything, PostgreSQL included.
    assert_eq!(up.interrupt(), 0);
    assert!(postmaster(&place.path.join(".veritrail")).is_none());
    assert!(!place.data("address").exists());

    let up = place.up();
    assert_eq!(
        fs::read(place.data("credentials.json")).unwrap(),
        credentials
    );
    assert_eq!(fs::read(place.data("secret")).unwrap(), secret);
    place.run(&["login"]).good();
    let after = place.run(&["partitions", "--json"]).good().value();
    assert_eq!(
        before["partitions"][0], after["partitions"][0],
        "the default chain is what it was"
    );
    assert_eq!(up.rest(), "", "nothing but the one line of JSON");
}

#[test]
fn the_owner_takes_the_credentials_away_and_the_directory_with_them() {
    let place = Place::new();
    place.up().interrupt();
    let moved = place.path.join("elsewhere");
    fs::rename(place.path.join(".veritrail"), &moved).unwrap();
    let data = moved.to_str().unwrap();
    let up = place.up_with(&["--data", data]);
    let credentials = fs::read(moved.join("credentials.json")).unwrap();
    let credentials: serde_json::Value = serde_json::from_slice(&credentials).unwrap();
    let address = credentials["database_url"].as_str().unwrap();
    assert!(
        address.contains(&format!("host={data}/socket")),
        "it follows: {address}"
    );
    place.run(&["login", "--data", data]).good();
    place.run(&["verify"]).good();
    assert_eq!(up.interrupt(), 0);

    // A copy of the directory would be another matter; without the file, nothing is made anew.
    fs::remove_file(moved.join("credentials.json")).unwrap();
    let up = place.up_with(&["--data", data]);
    assert!(!moved.join("credentials.json").exists());
    let key = credentials["service"]["api_key"].as_str().unwrap();
    let mut append = place.command(&[
        "append",
        "door.opened",
        "actor=user:u",
        "--server",
        &up.address,
    ]);
    let appended = append.env("VERITRAIL_API_KEY", key).output().unwrap();
    assert!(appended.status.success(), "what they open is still there");
    assert_eq!(up.interrupt(), 0);
}

#[test]
fn another_postgresql_is_used_and_left_alone() {
    let (server, place) = (Place::new(), Place::new());
    let owner = server.up();
    let url = server.credentials()["database_url"]
        .as_str()
        .unwrap()
        .to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connection.execute("create database other").await.unwrap();
    });
    let other = url.replace("/veritrail?", "/other?");
    let up = place.up_with(&["--database-url", &other]);
    assert!(!place.data("postgres").exists());
    assert_eq!(place.credentials()["database_url"], other);
    place.run(&["login"]).good();
    place
        .run(&["append", "door.opened", "actor=user:u-17"])
        .good();
    place.run(&["verify"]).good();
    assert_eq!(up.interrupt(), 0);
    assert!(postmaster(&server.path.join(".veritrail")).is_some());

    // Another installation's secret does not open what this one sealed.
    let stranger = Place::new();
    let refused = stranger.run(&["up", "--listen", "127.0.0.1:0", "--database-url", &other]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(!stranger.data("credentials.json").exists());
    // With the secret, but under another name.
    let stranger = Place::new();
    fs::create_dir(stranger.path.join(".veritrail")).unwrap();
    fs::copy(place.data("secret"), stranger.data("secret")).unwrap();
    let mut renamed = vec!["up", "--listen", "127.0.0.1:0", "--database-url", &other];
    renamed.extend(["--origin", "audit.example.com"]);
    let refused = stranger.run(&renamed);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(
        refused.err.contains("veritrail.localhost"),
        "{}",
        refused.err
    );
    assert_eq!(owner.interrupt(), 0);
}

#[test]
fn people_are_told_address_docs_and_three_commands() {
    let place = Place::new();
    // Where others could reach it.
    let mut command = place.command(&["up", "--no-install", "--listen", "0.0.0.0:0"]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut said = Vec::new();
    for line in lines {
        said.push(line.unwrap());
        if said.last().unwrap().contains("Ctrl-C") {
            break;
        }
    }
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let mut noted = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut noted).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(noted.contains("warning: others can reach"), "{noted}");
    let said = said.join("\n");
    for part in [
        "http://127.0.0.1:",
        "/docs",
        "credentials.json",
        "login",
        "import cloudtrail",
        "tail -n 5",
    ] {
        assert!(said.contains(part), "{part} in:\n{said}");
    }
    assert!(!said.contains("vtk_"), "no secret on the terminal");
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let place = Place::new();
    let up = place.up();
    let refused = |arguments: &[&str], parts: &[&str]| {
        let ended = place.run(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}");
        for part in parts {
            assert!(ended.err.contains(part), "{part} in: {}", ended.err);
        }
    };
    let holder = fs::read_to_string(place.data("lock")).unwrap();
    refused(&["up", "--listen", "127.0.0.1:0"], &[&holder, &up.address]);
    assert_eq!(up.interrupt(), 0);

    let other = "audit.example.com";
    refused(&["up", "--origin", other], &["veritrail.localhost", other]);
    refused(&["up", "--postgres-bin", "/nowhere"], &["/nowhere"]);

    // Whatever is installed here, it is none that could use this.
    fs::write(place.data("postgres/PG_VERSION"), "14\n").unwrap();
    let doctor = place.run(&["doctor"]);
    assert_eq!(doctor.code, 2);
    assert!(doctor.out.contains("PostgreSQL 14"), "{}", doctor.out);
    let ended = place.run(&["up", "--no-install"]);
    let there = ["15 in", "16 in", "17 in", "18 in"];
    assert!(ended.err.contains("PostgreSQL 14"), "{}", ended.err);
    assert!(
        there.iter().any(|version| ended.err.contains(version)),
        "{}",
        ended.err
    );
}

#[test]
fn a_port_that_is_taken_leaves_nothing_running() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = place.run(&["up", "--no-install", "--listen", &address]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains(&address), "{}", refused.err);
    assert!(postmaster(&place.path.join(".veritrail")).is_none());
}

#[test]
fn the_end_of_postgresql_is_the_end_of_up() {
    let place = Place::new();
    let up = place.up();
    let server = postmaster(&place.path.join(".veritrail")).unwrap();
    kill_process(server, Signal::QUIT).unwrap();
    wait_for_end(server);
    assert_eq!(up.end(), 2);
    let said = place.said();
    assert!(said.contains("PostgreSQL ended"), "{said}");
    // What was in progress is recovered at the next start.
    assert_eq!(place.up().interrupt(), 0);
}
