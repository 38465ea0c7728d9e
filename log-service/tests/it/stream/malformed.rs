//! Frames and messages that no client should send: each closes the socket with the code that RFC
//! 6455 §7.4.1 has for it, and the service goes on.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{Socket, shake};
use crate::auth::A;
use crate::world::World;

const PATH: &str = "/api/v1/logs/stream";

/// A client's frame, masked by zeros, so that the payload stands there as it is.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            frame.push(0xfe);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The code of the server's close; `None` when it just ends.
async fn close_code(stream: &mut TcpStream) -> Option<u16> {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    // A reset behind the close is as good as an end.
    let _ = read.expect("the server does not close");
    let mut rest = &bytes[..];
    while let [first, length, after @ ..] = rest {
        let (length, after) = match length {
            126 => (
                usize::from(u16::from_be_bytes([after[0], after[1]])),
                &after[2..],
            ),
            length => (usize::from(*length), after),
        };
        if first & 0xf == 8 {
            return Some(u16::from_be_bytes([after[0], after[1]]));
        }
        rest = &after[length..];
    }
    None
}

async fn sent(address: SocketAddr, headers: &[(&str, &str)], bytes: &[u8]) -> Option<u16> {
    let (mut stream, head) = shake(address, PATH, headers).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    stream.write_all(bytes).await.unwrap();
    close_code(&mut stream).await
}

#[tokio::test]
async fn each_is_closed_with_its_code() {
    let world = World::start().await;
    let address = world.serve(&world.state).await;
    let bearer = format!("Bearer {}", world.auth.user(A, "viewer").token);
    let known = [("authorization", bearer.as_str())];
    let pings = [0x89, 0x80, 0, 0, 0, 0].repeat(200);
    let mut unmasked = frame(0x81, b"{}");
    unmasked[1] &= 0x7f;
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("no message of ours", frame(0x81, b"{}"), 1008),
        ("not JSON", frame(0x81, b"hello"), 1008),
        (
            "unknown type",
            frame(0x81, br#"{"type":"filter","q":"x"}"#),
            1008,
        ),
        (
            "unknown member",
            frame(0x81, br#"{"type":"auth","token":"x","more":1}"#),
            1008,
        ),
        (
            "no string",
            frame(0x81, br#"{"type":"auth","token":1}"#),
            1008,
        ),
        (
            "nested",
            frame(0x81, &[vec![b'['; 4000], vec![b']'; 4000]].concat()),
            1008,
        ),
        ("too many", pings, 1008),
        ("binary", frame(0x82, b"{}"), 1003),
        ("not UTF-8", frame(0x81, b"\xff\xfe"), 1007),
        ("too long", frame(0x81, &vec![b' '; 9 << 10]), 1009),
        (
            "said to be too long",
            vec![
                0x81, 0xff, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
            ],
            1009,
        ),
        (
            "too long in pieces",
            [frame(0x01, &[b' '; 5000]), frame(0x80, &[b' '; 5000])].concat(),
            1009,
        ),
        ("not masked", unmasked, 1002),
        ("reserved bit", frame(0xc1, b"{}"), 1002),
        ("reserved opcode", frame(0x83, b""), 1002),
        ("reserved control", frame(0x8b, b""), 1002),
        ("continuation of nothing", frame(0x80, b"x"), 1002),
        ("control in pieces", frame(0x09, b""), 1002),
        ("long control", frame(0x89, &[0; 126]), 1002),
    ];
    for (name, bytes, code) in &cases {
        for headers in [&known[..], &[]] {
            assert_eq!(sent(address, headers, bytes).await, Some(*code), "{name}");
        }
    }
    // A close is answered with the like.
    assert_eq!(
        sent(address, &known, &frame(0x88, &1000_u16.to_be_bytes())).await,
        Some(1000)
    );
    Socket::follow(address, bearer.trim_start_matches("Bearer "), "")
        .await
        .ready()
        .await;
    world.end().await;
}

#[tokio::test]
async fn whatever_is_sent_the_service_goes_on() {
    let world = World::start().await;
    let address = world.serve(&world.state).await;
    let token = world.auth.user(A, "viewer").token;
    let bearer = format!("Bearer {token}");
    let good = frame(
        0x81,
        format!(r#"{{"type":"auth","token":"{token}"}}"#).as_bytes(),
    );
    // A fixed sequence: xorshift, so that a failure can be repeated.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..150 {
        let mut bytes = good.clone();
        for _ in 0..=(random() % 3) {
            let at = usize::try_from(random() % bytes.len() as u64).unwrap();
            bytes[at] = random().to_le_bytes()[0];
        }
        bytes.truncate(1 + usize::try_from(random() % bytes.len() as u64).unwrap());
        let headers = [("authorization", bearer.as_str())];
        let headers = if round % 2 == 0 { &headers[..] } else { &[] };
        let (mut stream, _) = shake(address, PATH, headers).await;
        stream.write_all(&bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let code = close_code(&mut stream).await;
        let known = [1000, 1002, 1003, 1005, 1007, 1008, 1009, 4401];
        assert!(
            code.is_none_or(|code| known.contains(&code)),
            "{round}: {code:?}"
        );
    }
    Socket::follow(address, &token, "").await.ready().await;
    world.end().await;
}
