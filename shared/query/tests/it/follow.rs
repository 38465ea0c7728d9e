//! Questions to the stream, and the position that goes back and forth.

use query::{Follow, MAX_CHAINS, Next, Position, Reach, follow};

fn next(partition: &str, generation: u32, seq: u64) -> Next {
    Next {
        partition: partition.to_owned(),
        generation,
        seq,
    }
}

fn paths(query: &str) -> Vec<String> {
    let faults = Follow::parse(query).unwrap_err();
    faults.into_iter().map(|fault| fault.path).collect()
}

#[test]
fn a_position_comes_back_as_it_was() {
    let chains: Vec<_> = (0..MAX_CHAINS)
        .map(|number| next(&format!("p{number:062}"), 1, (1 << 53) - number as u64))
        .collect();
    for position in [
        Position {
            reach: Reach::Ordinary,
            chains: vec![],
        },
        Position {
            reach: Reach::Every,
            chains: vec![next("default", 1, 7), next("system", 3, 0)],
        },
        Position {
            reach: Reach::Every,
            chains,
        },
    ] {
        let text = position.encode();
        assert!(text.len() <= 8 << 10);
        let read = Follow::parse(&format!("action=a&after={text}")).unwrap();
        assert_eq!(read.after, Some(position));
    }
    let one = Position {
        reach: Reach::One,
        chains: vec![next("a", 1, 1)],
    };
    let read = Follow::parse(&format!("partition=a&after={}", one.encode())).unwrap();
    assert_eq!(read.after, Some(one));
}

#[test]
fn what_is_wrong_is_named() {
    let one = follow::encode(Reach::One, [("a", 1, 1)].into_iter());
    let all = follow::encode(Reach::Every, [("a", 1, 1)].into_iter());
    let list = "AQAAAAAAAAAAAAAA";
    for (query, places) in [
        ("to=2026-01-01T00:00:00Z", ["query.to"].as_slice()),
        ("order=asc&limit=1", &["query.order", "query.limit"]),
        ("access_token=x", &["query.access_token"]),
        ("after=x&after=x", &["query.after"]),
        (&format!("after={one}"), &["query.after"]),
        (&format!("partition=b&after={one}"), &["query.after"]),
        (&format!("partition=a&after={all}"), &["query.after"]),
        (&format!("after={list}"), &["query.after"]),
    ] {
        assert_eq!(paths(query), places, "{query}");
    }
}

#[test]
fn whatever_is_read_as_a_position_is_one() {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let text = follow::encode(
        Reach::Every,
        [("default", 1, 300), ("system", 2, 0)].into_iter(),
    );
    let bytes = engine.decode(&text).unwrap();
    for place in 0..bytes.len() {
        for value in 0..=u8::MAX {
            let mut changed = bytes.clone();
            changed[place] = value;
            let text = engine.encode(&changed);
            if let Ok(follow) = Follow::parse(&format!("after={text}")) {
                assert_eq!(follow.after.unwrap().encode(), text);
            }
        }
        assert!(
            Follow::parse(&format!("after={}", engine.encode(&bytes[..place]))).is_err() || {
                let kept = Follow::parse(&format!("after={}", engine.encode(&bytes[..place])));
                kept.unwrap().after.unwrap().encode() == engine.encode(&bytes[..place])
            }
        );
    }
}
