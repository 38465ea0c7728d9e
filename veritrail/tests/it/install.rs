//! Where no PostgreSQL is found.

use crate::veritrail::Place;

#[test]
fn what_to_install_is_said_where_it_may_not_be_installed() {
    let place = Place::new();
    let mut command = place.command(&["up", "--no-install", "--postgres-bin", "/nowhere"]);
    let ended = command.output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("/nowhere"), "{said}");
}
