//! Cursors: what is written is read again, and nothing else is.

use proptest::prelude::*;
use query::{Cursor, MAX_CHAINS, Question, Remaining};

fn remaining() -> impl Strategy<Value = Vec<Remaining>> {
    let one = (
        "[a-z0-9][a-z0-9_-]{0,62}",
        1..=3_u32,
        0..1_u64 << 52,
        1..1_u64 << 52,
    );
    proptest::collection::btree_set(one, 1..=MAX_CHAINS).prop_map(|set| {
        let mut parts: Vec<Remaining> = Vec::new();
        for (partition, generation, from, count) in set {
            let to = from + count;
            let next = (&partition, generation);
            if parts
                .last()
                .is_none_or(|last| (&last.partition, last.generation) < next)
            {
                parts.push(Remaining {
                    partition,
                    generation,
                    from,
                    to,
                });
            }
        }
        parts
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(remaining in remaining()) {
        let asked = Question::parse("action=a.*&order=asc").unwrap();
        let cursor = Cursor { remaining };
        let text = cursor.encode(&asked.filter, asked.order);
        let again = Question::parse(&format!("order=asc&action=a.*&cursor={text}")).unwrap();
        prop_assert_eq!(again.cursor.unwrap(), cursor);
    }

    #[test]
    fn what_is_read_is_what_is_written(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        if let Ok(question) = Question::parse(&format!("cursor={text}")) {
            let cursor = question.cursor.unwrap();
            prop_assert_eq!(cursor.encode(&question.filter, question.order), text);
        }
    }

    #[test]
    fn a_changed_cursor_is_refused_or_another_one(
        remaining in remaining(), place in any::<prop::sample::Index>(), with in any::<u8>(),
    ) {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let asked = Question::parse("").unwrap();
        let text = Cursor { remaining }.encode(&asked.filter, asked.order);
        let mut bytes = engine.decode(&text).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= with;
        let changed = engine.encode(bytes);
        if let Ok(question) = Question::parse(&format!("cursor={changed}")) {
            let cursor = question.cursor.unwrap();
            prop_assert_eq!(cursor.encode(&question.filter, question.order), changed);
        }
    }
}

fn cursor(partition: &str, from: u64, to: u64) -> Cursor {
    let partition = partition.to_owned();
    let remaining = vec![Remaining {
        partition,
        generation: 1,
        from,
        to,
    }];
    Cursor { remaining }
}

fn refused(query: &str) -> String {
    let faults = Question::parse(query).unwrap_err();
    assert_eq!(faults[0].path, "query.cursor", "{query}");
    faults[0].message.to_owned()
}

#[test]
fn a_cursor_belongs_to_its_filter_and_order() {
    let asked = Question::parse("actor_id=a&severity=info").unwrap();
    let text = cursor("default", 3, 9).encode(&asked.filter, asked.order);
    // The order of parameters and the page size are not part of the question.
    Question::parse(&format!("severity=info&limit=7&actor_id=a&cursor={text}")).unwrap();
    for other in [
        "actor_id=a",
        "actor_id=b&severity=info",
        "actor_id=a&severity=info&order=asc",
        "actor_id=a&severity=info&partition=default",
        "",
    ] {
        let message = refused(&format!("{other}&cursor={text}"));
        assert!(message.contains("another filter"), "{other}: {message}");
    }
}

#[test]
fn a_cursor_stays_within_the_partition_asked_for() {
    let asked = Question::parse("partition=a").unwrap();
    let own = cursor("a", 0, 5).encode(&asked.filter, asked.order);
    Question::parse(&format!("partition=a&cursor={own}")).unwrap();
    let foreign = cursor("system", 0, 5).encode(&asked.filter, asked.order);
    refused(&format!("partition=a&cursor={foreign}"));
}

#[test]
fn nonsense_is_refused() {
    let asked = Question::parse("").unwrap();
    let good = cursor("a", 0, 5).encode(&asked.filter, asked.order);
    for bad in [
        "",
        "AA",
        "not a cursor",
        "AQ==",
        &format!("{good}A"),
        &format!("{good}="),
        &good[..good.len() - 2],
    ] {
        refused(&format!("cursor={}", bad.replace(' ', "%20")));
    }
    for (partition, from, to) in [
        ("A", 0, 1),
        ("", 0, 1),
        ("a", 4, 4),
        ("a", 0, (1 << 53) + 1),
    ] {
        let text = cursor(partition, from, to).encode(&asked.filter, asked.order);
        refused(&format!("cursor={text}"));
    }
    let many = Cursor {
        remaining: (0..=MAX_CHAINS)
            .map(|number| cursor(&format!("p{number:03}"), 0, 1).remaining.remove(0))
            .collect(),
    };
    refused(&format!(
        "cursor={}",
        many.encode(&asked.filter, asked.order)
    ));
}

#[test]
fn the_longest_cursor_fits_into_a_header() {
    let asked = Question::parse("").unwrap();
    let remaining = (0..MAX_CHAINS).map(|number| Remaining {
        partition: format!("{number:063}"),
        generation: u32::MAX >> 1,
        from: (1 << 52) + 1,
        to: 1 << 53,
    });
    let longest = Cursor {
        remaining: remaining.collect(),
    };
    let text = longest.encode(&asked.filter, asked.order);
    assert!(text.len() <= 8 * 1024, "{}", text.len());
    Question::parse(&format!("cursor={text}")).unwrap();
}
