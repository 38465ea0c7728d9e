//! A directory is for one process: a program that runs apart from those that read or write it says so at the start.

use ::system::program_path;
use tokio::process::Command;

/// Nobody is connected to before it is refused.
const SETTINGS: [(&str, &str); 4] = [
    ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nowhere"),
    ("ORIGIN", "audit.test"),
    ("INTERNAL_SECRET", "an internal secret of the tests"),
    ("LISTEN", "127.0.0.1:0"),
];

async fn refuses(program: &str, command: &str, variable: &str) {
    let settings = [
        ("STORE_URL", "s3://exports"),
        ("INDEX_URL", "http://127.0.0.1:1"),
    ];
    let settings = settings.into_iter().filter(|(name, _)| *name != variable);
    let refused = Command::new(program_path(program).unwrap())
        .arg(command)
        .env_clear()
        .envs(SETTINGS.into_iter().chain(settings))
        .env(variable, "file:///tmp/nowhere")
        .kill_on_drop(true)
        .output();
    let refused = refused.await.unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success(), "{program} {command}");
    let told = said.contains(&format!("{variable}: "));
    assert!(told, "{program} {command}: {said}");
}

#[tokio::test]
async fn a_directory_of_one_process_is_refused_by_programs_of_several() {
    refuses("log-service", "serve", "STORE_URL").await;
    refuses("log-service", "serve", "INDEX_URL").await;
    refuses("export-worker", "work", "STORE_URL").await;
    refuses("indexer-worker", "work", "INDEX_URL").await;
}
