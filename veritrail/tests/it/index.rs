//! `up --no-index`: everything is found in the ledger, and a later start without the option catches the index up.

use serde_json::Value;

use crate::veritrail::Place;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sample/cloudtrail.json.gz");

fn failures(place: &Place) -> Vec<Value> {
    let arguments = ["search", "--outcome", "failure", "--all", "--json"];
    place.run(&arguments).good().values()
}

#[tokio::test]
async fn what_was_appended_without_an_index_is_indexed_later() {
    let place = Place::new();
    let up = place.up_with(&["--no-index"]);
    place.run(&["login"]).good();
    place.run(&["import", "cloudtrail", SAMPLE]).good();
    let found = failures(&place);
    assert!(found.len() > 100, "{}", found.len());
    assert!(!place.data("index").exists());
    let address = up.address.clone();
    assert_eq!(up.interrupt(), 0);

    let up = place.up_again(&address);
    place.until_indexed().await;
    assert!(place.data("index").exists());
    assert_eq!(failures(&place), found, "the index finds the same");
    place.run(&["verify"]).good();
    assert_eq!(up.interrupt(), 0);
}
