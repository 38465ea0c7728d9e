//! Pages: deep ones, both directions, windows, and entries of one moment.

use query::Order;
use search::{Hit, Window};

use crate::entries::small;
use crate::world::{Asked, World};

const START: i64 = 1_700_000_000_000_000;

/// Everything, page by page.
async fn pages(world: &World, tenant: uuid::Uuid, mut asked: Asked) -> Vec<Hit> {
    let mut all = Vec::new();
    loop {
        let page = asked.find(world, tenant).await;
        assert!(page.len() <= asked.limit);
        let end = page.len() < asked.limit;
        asked.after = page.last().cloned().or(asked.after);
        all.extend(page);
        if end {
            return all;
        }
    }
}

pub(crate) async fn twenty_thousand(world: World) {
    let tenant = world.tenant().await;
    let documents: Vec<_> = (0..20_000)
        .map(|number: u64| {
            let partition = if number.is_multiple_of(4) { "b" } else { "a" };
            let seq = if number.is_multiple_of(4) {
                number / 4
            } else {
                number - number / 4 - 1
            };
            small(partition, seq, START + i64::try_from(number / 3).unwrap())
        })
        .collect();
    for part in documents.chunks(5_000) {
        world.write(tenant, part).await;
    }
    let mut expected: Vec<_> = documents
        .iter()
        .map(|document| Hit {
            received_at: document.received_at,
            partition: document.partition.clone(),
            generation: 1,
            seq: document.seq,
        })
        .collect();
    expected.sort();
    let asked = Asked {
        limit: 997,
        ..Asked::all("action=a.*", &["a", "b"])
    };
    assert!(pages(&world, tenant, asked.clone()).await == expected);
    expected.reverse();
    let descending = Asked {
        order: Order::Descending,
        limit: 1000,
        ..asked
    };
    assert!(pages(&world, tenant, descending.clone()).await == expected);
    // Entries outside of the windows are not there, whatever was written since.
    let mut narrow = descending;
    narrow.windows = vec![
        Window {
            partition: "a".to_owned(),
            generation: 1,
            from: 100,
            to: 9_000,
        },
        Window {
            partition: "b".to_owned(),
            generation: 1,
            from: 0,
            to: 10,
        },
        Window {
            partition: "b".to_owned(),
            generation: 2,
            from: 0,
            to: 10,
        },
        Window {
            partition: "c".to_owned(),
            generation: 1,
            from: 0,
            to: 10,
        },
    ];
    expected.retain(|hit| match hit.partition.as_str() {
        "a" => (100..9_000).contains(&hit.seq),
        _ => hit.seq < 10,
    });
    world
        .write(tenant, &[small("a", 15_000, START), small("c", 11, START)])
        .await;
    assert!(pages(&world, tenant, narrow.clone()).await == expected);
    narrow.windows.clear();
    assert_eq!(narrow.find(&world, tenant).await, []);
    world.end().await;
}

pub(crate) async fn ties_in_time_are_in_order(world: World) {
    let tenant = world.tenant().await;
    let names = ["a", "a-b", "a0", "b", "_".repeat(3).as_str()].map(|name| name.replace('_', "z"));
    let mut documents = Vec::new();
    for seq in 0..7 {
        for name in &names {
            let mut document = small(name, seq, START);
            documents.push(document.clone());
            document.generation = 12;
            documents.push(document);
        }
    }
    world.write(tenant, &documents).await;
    let mut expected: Vec<_> = documents
        .iter()
        .map(|document| Hit {
            received_at: document.received_at,
            partition: document.partition.clone(),
            generation: document.generation,
            seq: document.seq,
        })
        .collect();
    expected.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut asked = Asked {
        limit: 3,
        ..Asked::all("", &names)
    };
    let others: Vec<_> = asked
        .windows
        .iter()
        .cloned()
        .map(|w| Window {
            generation: 12,
            ..w
        })
        .collect();
    asked.windows.extend(others);
    assert_eq!(pages(&world, tenant, asked.clone()).await, expected);
    asked.order = Order::Descending;
    expected.reverse();
    assert_eq!(pages(&world, tenant, asked.clone()).await, expected);
    // After a hit of a chain that is not asked for any more.
    let after = &expected[20];
    asked
        .windows
        .retain(|w| (&w.partition, w.generation) != (&after.partition, after.generation));
    asked.after = Some(after.clone());
    let rest: Vec<_> = expected[21..]
        .iter()
        .filter(|hit| (&hit.partition, hit.generation) != (&after.partition, after.generation))
        .cloned()
        .collect();
    assert_eq!(pages(&world, tenant, asked).await, rest);
    world.end().await;
}
