//! `docs/configuration.md` against what the programs say of themselves: no variable and no option is
//! missing there, and none is there that is not.

use std::collections::BTreeSet;

use ::system::program_path;
use tokio::process::Command;

const PAGE: &str = include_str!("../../docs/configuration.md");
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
