//! `up --no-index`: everything is found in the ledger, and a later start without the option catches the index up.

use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

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
    let credentials = place.credentials();
    let url = credentials["database_url"].as_str().unwrap();
    let mut database = PgConnection::connect(url).await.unwrap();
    let behind = "select count(*) from ledger.heads h, pg_sleep(0.02)
                   where h.partition = 'default' and h.size > coalesce((
                     select k.next from ledger.cursors k
                      where k.follower = 'index.visible' and k.tenant = h.tenant and k.partition = h.partition), 0)";
    let mut looks = 0;
    while {
        let behind = sqlx::query_scalar::<_, i64>(behind);
        behind.fetch_one(&mut database).await.unwrap() > 0
    } {
        looks += 1;
        assert!(
            looks < 3_000,
            "the index is not caught up with after a minute"
        );
    }
    database.close().await.unwrap();
    assert!(place.data("index").exists());
    assert_eq!(failures(&place), found, "the index finds the same");
    place.run(&["verify"]).good();
    assert_eq!(up.interrupt(), 0);
}
