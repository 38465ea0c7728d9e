//! `docs/configuration.md`, `docs/operations.md` and `docs/api.md` against what the programs say of themselves: no
//! variable, no option, no metric and no route is missing there, and of the first three none is there that is not.

use std::collections::BTreeSet;
use std::path::Path;

use ::system::program_path;
use tokio::process::Command;

use crate::routes::listed;

const PAGE: &str = include_str!("../../docs/configuration.md");
const API: &str = include_str!("../../docs/api.md");
const OPERATIONS: &str = include_str!("../../docs/operations.md");
/// What has metrics.
const SOURCES: [&str; 6] = [
    "auth-service/src",
    "export-worker/src",
    "indexer-worker/src",
    "log-service/src",
    "shared",
    "veritrail/src",
];
/// Read by the command line alone, so that no key stands among the arguments of a process.
const NO_OPTION: &str = "VERITRAIL_API_KEY";

/// What stands between backticks and passes.
fn named(text: &str, passes: impl Fn(&str) -> bool) -> BTreeSet<&str> {
    text.split('`').filter(|word| passes(word)).collect()
}

fn is_option(word: &str) -> bool {
    word.starts_with("--") && word.len() > 2 && !word.contains(' ')
}

/// A word with a digit and no underscore is a value, as `RS256` is.
fn is_variable(word: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit();
    word.len() > 2
        && word
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_' || digit(byte))
        && (word.contains('_') || !word.bytes().any(digit))
}

async fn help(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program_path(program).unwrap());
    let said = command.args(arguments).env_clear().output().await.unwrap();
    assert!(said.status.success(), "{program}");
    String::from_utf8(said.stdout).unwrap()
}

#[tokio::test]
async fn the_configuration_page_is_complete() {
    let mut said = String::new();
    for (program, command) in [
        ("auth-service", "serve"),
        ("auth-service", "bootstrap"),
        ("log-service", "serve"),
        ("indexer-worker", "work"),
        ("indexer-worker", "rebuild"),
        ("export-worker", "work"),
        ("veritrail", "up"),
        ("veritrail", "search"),
        ("veritrail", "tail"),
    ] {
        said.push_str(&help(program, &[command, "--help"]).await);
    }
    let variables: BTreeSet<_> = said
        .split("[env: ")
        .skip(1)
        .map(|rest| rest.split(['=', ']']).next().unwrap())
        .chain([NO_OPTION])
        .collect();
    assert_eq!(named(PAGE, is_variable), variables);
    let options: BTreeSet<_> = said
        .split_whitespace()
        .filter(|word| is_option(word))
        .map(|word| word.trim_end_matches([',', ';']))
        .collect();
    for option in named(PAGE, is_option) {
        assert!(options.contains(option), "no program has {option}");
    }
}

/// Whether the page names the route, as `METHOD /path` and nothing longer.
fn names(page: &str, route: &str) -> bool {
    let mut behind = page.split(route).skip(1);
    behind.any(|rest| rest.starts_with(['`', '?']))
}

#[test]
fn the_columns_of_a_file_are_named_in_their_order() {
    let (_, behind) = API.split_once("**Columns**, in this order").unwrap();
    let (columns, _) = behind.split_once("Objects and lists").unwrap();
    let named: Vec<_> = columns.split('`').skip(1).step_by(2).collect();
    assert_eq!(named, export::COLUMNS);
}

#[test]
fn every_route_has_its_task() {
    // Between the services, for nobody else.
    let routes = listed().filter(|route| !route.contains("/internal/"));
    let missing: Vec<_> = routes.filter(|route| !names(API, route)).collect();
    assert!(missing.is_empty(), "docs/api.md does not name {missing:?}");
}

/// Adds what stands between quotes behind the macros of metrics.
fn metrics_of(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            metrics_of(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for kind in ["counter!(", "gauge!(", "histogram!("] {
                let behind = text.split(kind).skip(1).map(str::trim_start);
                let quoted = behind.filter_map(|rest| rest.strip_prefix('"')?.split('"').next());
                found.extend(quoted.map(str::to_owned));
            }
        }
    }
}

#[test]
fn the_metrics_are_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut metrics = BTreeSet::new();
    for folder in SOURCES {
        metrics_of(&root.join(folder), &mut metrics);
    }
    // Their names are constants.
    metrics.extend(["queue_messages", "queue_dead_letters_total"].map(str::to_owned));
    assert_eq!(metrics, explained());
}

/// The names of the tables that are about metrics.
fn explained() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in OPERATIONS.lines() {
        inside = line.starts_with("| metric |") || inside && line.starts_with('|');
        let cell = line
            .split('|')
            .nth(1)
            .filter(|_| inside)
            .unwrap_or_default();
        let quoted = cell.split('`').skip(1).step_by(2);
        names.extend(
            quoted
                .filter_map(|name| name.split('{').next())
                .map(str::to_owned),
        );
    }
    names
}
