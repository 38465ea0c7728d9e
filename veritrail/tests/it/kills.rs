//! kill -9, at every step of a first start and while entries are appended.
//! Which step is told by the file that appears in the data directory.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::mem::MaybeUninit;
use std::process::Stdio;

use rustix::fs::inotify;

use crate::veritrail::{Place, postmaster};

/// Files of the data directory in the order in which a first start makes them.
const STEPS: &[&str] = &[
    "lock",
    "origin",
    "secret",
    "postgres.init-",
    "postgres",
    "socket",
    "postgres.log",
    "credentials.json",
    LAST,
];

/// What every start makes, and makes last.
const LAST: &str = "address";

/// Runs `up` until a file of that name appears (the whole name, or its beginning
/// where it ends with `-`), then kills it. A kill before this one may have come late, and the file be there: then
/// until its last one appears.
fn kill_when(place: &Place, name: &str) {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    let flags = inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&watch, place.path.join(".veritrail"), flags).unwrap();
    let mut child = place.spawn_up(&[]);
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(&watch, &mut buffer);
    loop {
        let event = events.next().unwrap();
        let appeared = event.file_name().unwrap().to_string_lossy();
        let whole = !name.ends_with('-');
        let awaited = (whole && appeared == name) || (!whole && appeared.starts_with(name));
        if awaited {
            break;
        }
        if appeared == LAST {
            let made = name.strip_suffix(".init-").unwrap_or(name);
            assert!(place.data(made).exists(), "no start makes {name}");
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_first_start_killed_at_every_step_is_recovered_from() {
    let place = Place::new();
    fs::create_dir(place.path.join(".veritrail")).unwrap();
    fs::set_permissions(
        place.path.join(".veritrail"),
        std::os::unix::fs::PermissionsExt::from_mode(0o711),
    )
    .unwrap();
    let mut credentials = None;
    for step in STEPS {
        // The same start goes a step further each time.
        kill_when(&place, step);
        if let Ok(text) = fs::read(place.data("credentials.json")) {
            assert_eq!(
                *credentials.get_or_insert_with(|| text.clone()),
                text,
                "never written again, at {step}"
            );
        }
    }
    let orphan = postmaster(&place.path.join(".veritrail")).expect("the last kill left one");
    let up = place.up();
    assert_ne!(postmaster(&place.path.join(".veritrail")), Some(orphan));
    assert_eq!(
        fs::read(place.data("credentials.json")).unwrap(),
        credentials.unwrap()
    );
    let unfinished = fs::read_dir(place.path.join(".veritrail"))
        .unwrap()
        .flatten();
    let unfinished: Vec<_> = unfinished
        .filter(|file| file.file_name().to_string_lossy().contains("init-"))
        .collect();
    assert!(unfinished.is_empty(), "{unfinished:?}");
    place.run(&["login"]).good();
    place
        .run(&["append", "door.opened", "actor=user:u-17"])
        .good();
    place.run(&["verify"]).good();
    assert_eq!(up.interrupt(), 0);
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let place = Place::new();
    let up = place.up();
    place.run(&["login"]).good();
    let mut command = place.command(&["append", "--json", "--patience", "0"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut appending = command.spawn().unwrap();
    let mut input = appending.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        // Until the program at the other end has ended.
        for number in 0_u64.. {
            let entry = format!(
                "{{\"action\":\"n.counted\",\"actor\":{{\"type\":\"job\",\"id\":\"{number}\"}}}}\n"
            );
            if std::io::Write::write_all(&mut input, entry.as_bytes()).is_err() {
                return;
            }
        }
    });
    let mut receipts = BufReader::new(appending.stdout.take().unwrap()).lines();
    let mut acknowledged: Vec<String> = (0..500)
        .map(|_| receipts.next().unwrap().unwrap())
        .collect();
    up.kill();
    acknowledged.extend(receipts.map_while(Result::ok));
    assert_ne!(appending.wait().unwrap().code(), Some(0));
    writer.join().unwrap();

    // Killed again while it recovers, then left in peace.
    kill_when(&place, LAST);
    let up = place.up();
    place.run(&["login"]).good();
    place.run(&["verify"]).good();
    let head = place.run(&["partitions", "--json"]).good().value();
    let size = head["partitions"][0]["size"].as_u64().unwrap();
    let last: serde_json::Value = serde_json::from_str(acknowledged.last().unwrap()).unwrap();
    assert!(
        size > last["seq"].as_u64().unwrap(),
        "{size} entries, {last} acknowledged"
    );
    for line in [acknowledged.first().unwrap(), acknowledged.last().unwrap()] {
        let receipt: serde_json::Value = serde_json::from_str(line).unwrap();
        let entry = place
            .run(&["get", receipt["id"].as_str().unwrap(), "--json"])
            .good()
            .value();
        assert_eq!(entry["hash"], receipt["hash"]);
    }
    assert_eq!(up.interrupt(), 0);
}
