//! Logins: what is remembered, where, and that two processes at once do not end it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::Value;

use crate::veritrail::Place;

fn profile(place: &Place, name: &str) -> Value {
    let path = place
        .path
        .join(format!("config/veritrail/profiles/{name}.json"));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn passwords_and_keys_log_in_and_only_tokens_are_kept() {
    let place = Place::new();
    let up = place.up();
    let credentials = place.credentials();
    let admin = credentials["admin"]["password"].as_str().unwrap();

    let by_password = [
        "login",
        "--server",
        &up.address,
        "--tenant",
        "demo",
        "--username",
        "admin",
        "--password-stdin",
    ];
    let wrong = place.run_with(&by_password, b"not the password\n");
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("401"), "{}", wrong.err);
    place
        .run_with(&by_password, format!("{admin}\n").as_bytes())
        .good();
    let kept = profile(&place, "default");
    assert!(!kept.to_string().contains(admin), "no password is kept");
    assert_eq!(kept["tenant"], "demo");
    place.run(&["partitions"]).good();

    let key = credentials["service"]["api_key"].as_str().unwrap();
    let by_key = [
        "login",
        "--server",
        &up.address,
        "--api-key-stdin",
        "--profile",
        "machine",
    ];
    assert_eq!(place.run_with(&by_key, b"hunter2\n").code, 2);
    place
        .run_with(&by_key, format!("{key}\n").as_bytes())
        .good();
    place
        .run(&[
            "append",
            "door.opened",
            "actor=user:u-17",
            "--profile",
            "machine",
        ])
        .good();
    let refused = place.run(&["partitions", "--profile", "machine"]);
    assert_eq!(refused.code, 2, "a writer does not read");
    assert!(refused.err.contains("403"), "{}", refused.err);

    let mut command = place.command(&[
        "append",
        "door.closed",
        "actor=user:u-17",
        "--server",
        &up.address,
    ]);
    let ended = command
        .env("VERITRAIL_API_KEY", key)
        .env("XDG_CONFIG_HOME", place.path.join("nothing"))
        .output();
    assert!(
        ended.unwrap().status.success(),
        "a key in the environment needs no login"
    );
    assert_eq!(up.interrupt(), 0);
}

#[test]
fn nobody_is_told_to_log_in() {
    let place = Place::new();
    let refused = place.run(&["tail"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("veritrail login"), "{}", refused.err);
    let refused = place.run(&["tail", "--json"]);
    let error: Value = serde_json::from_str(&refused.err).unwrap();
    assert!(error["error"].as_str().unwrap().contains("veritrail login"));
    assert_eq!(
        place.run(&["login"]).code,
        2,
        "there is no installation and nobody to ask"
    );
}

#[test]
fn many_processes_renew_one_login_once() {
    let place = Place::new();
    let up = place.up();
    place.run(&["login"]).good();
    let path = place.path.join("config/veritrail/profiles/default.json");
    for _ in 0..2 {
        let mut ended = profile(&place, "default");
        let refresh_token = ended["tokens"]["refresh_token"].clone();
        ended["tokens"]["expires_at"] = 0.into();
        fs::write(&path, ended.to_string()).unwrap();
        let running: Vec<_> = (0..6)
            .map(|_| {
                place
                    .command(&["partitions"])
                    .stdout(Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for mut child in running {
            assert!(child.wait().unwrap().success());
        }
        let renewed = profile(&place, "default");
        assert_ne!(renewed["tokens"]["refresh_token"], refresh_token);
    }
    // A token that ended without the clock saying so.
    let mut revoked = profile(&place, "default");
    revoked["tokens"]["access_token"] = "not.a.token".into();
    fs::write(&path, revoked.to_string()).unwrap();
    place.run(&["partitions"]).good();
    assert_eq!(up.interrupt(), 0);
}
