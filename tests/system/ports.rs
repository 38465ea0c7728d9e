//! Ports for servers that name each other before they start.

use std::net::TcpListener;

use anyhow::bail;

const FROM: u16 = 20_000;
const COUNT: u128 = 10_000;

/// Ports on loopback that are free now, below those that the system gives to outgoing connections,
/// so that none of these takes one between now and the server's start.
///
/// # Errors
/// There are none.
pub fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut ports = [0; N];
    let found = some_free_ports(N)?;
    ports.copy_from_slice(&found);
    Ok(ports)
}

pub(crate) fn some_free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    // Held until all are found, so that all differ.
    let mut held = Vec::new();
    let random = uuid::Uuid::new_v4().as_u128() % COUNT;
    for step in 0..COUNT {
        if held.len() == count {
            break;
        }
        let offset = u16::try_from((random + step) % COUNT)?;
        held.extend(TcpListener::bind(("127.0.0.1", FROM + offset)));
    }
    if held.len() < count {
        bail!("no free port");
    }
    let ports = held.iter().map(TcpListener::local_addr);
    ports.map(|address| Ok(address?.port())).collect()
}
