//! The cursor between two pages: what is left to read of each partition. It is opaque to readers,
//! and whoever makes one up gets at most a page of what he may read anyway, so it is checked, not
//! signed. It never names a tenant.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::{Fault, Filter, Order, is_partition_name};

/// The most chains with something left to read that one cursor can hold: with names of 63
/// characters it stays below 8 KiB, which every proxy lets through.
pub const MAX_CHAINS: usize = 64;

/// Sequence numbers stay below this (`format.md` §3).
pub(crate) const SEQ_LIMIT: u64 = 1 << 53;
const VERSION: u8 = 1;

/// What is left to read. The upper bounds are those of the first page, so that pages neither
/// repeat nor skip while others append.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// In the order of names and generations; what is read to its end is not among them.
    pub remaining: Vec<Remaining>,
}

/// The entries of one chain that are still to be read: `from <= seq < to`, never none.
/// Ascending pages move `from`, descending pages move `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remaining {
    pub partition: String,
    /// From 1.
    pub generation: u32,
    pub from: u64,
    pub to: u64,
}

impl Cursor {
    /// The text that a reader sends back, with the filter and order that it belongs to.
    pub fn encode(&self, filter: &Filter, order: Order) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(fingerprint(filter, order).to_be_bytes());
        for part in &self.remaining {
            number(&mut bytes, part.partition.len() as u64);
            bytes.extend(part.partition.bytes());
            number(&mut bytes, u64::from(part.generation));
            number(&mut bytes, part.from);
            number(&mut bytes, part.to - part.from);
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn decode(text: &str, filter: &Filter, order: Order) -> Result<Self, Fault> {
        let malformed = || Fault::new("cursor", "not a cursor of this list");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
        let (version, rest) = bytes.split_first().ok_or_else(malformed)?;
        let (print, rest) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
        if *version != VERSION {
            return Err(malformed());
        }
        let remaining = positions(rest).ok_or_else(malformed)?;
        if u64::from_be_bytes(*print) != fingerprint(filter, order) {
            return Err(Fault::new("cursor", "made for another filter or order"));
        }
        let foreign = |part: &Remaining| {
            filter
                .partition()
                .is_some_and(|name| name != part.partition)
        };
        if remaining.iter().any(foreign) {
            return Err(malformed());
        }
        Ok(Self { remaining })
    }
}

/// `None` for anything that [`Cursor::encode`] would not write.
fn positions(mut rest: &[u8]) -> Option<Vec<Remaining>> {
    let mut remaining: Vec<Remaining> = Vec::new();
    while let Some((&length, after)) = rest.split_first() {
        let (name, after) = after.split_at_checked(usize::from(length))?;
        let (generation, after) = take_number(after)?;
        let (from, after) = take_number(after)?;
        let (count, after) = take_number(after)?;
        let partition = str::from_utf8(name).ok()?;
        // The column is a signed integer.
        let generation = u32::try_from(generation)
            .ok()
            .filter(|&number| i32::try_from(number).is_ok())?;
        let ascending = remaining.last().is_none_or(|last| {
            (last.partition.as_str(), last.generation) < (partition, generation)
        });
        let to = from.checked_add(count)?;
        if !is_partition_name(partition)
            || !ascending
            || generation == 0
            || count == 0
            || to > SEQ_LIMIT
            || remaining.len() == MAX_CHAINS
        {
            return None;
        }
        remaining.push(Remaining {
            partition: partition.to_owned(),
            generation,
            from,
            to,
        });
        rest = after;
    }
    (!remaining.is_empty()).then_some(remaining)
}

/// Seven bits a byte, low first, the high bit on all but the last (LEB128).
pub(crate) fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push((value & 0x7f) as u8);
}

pub(crate) fn take_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (place, &byte) in bytes.iter().enumerate().take(8) {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            // A last byte of zero would be a second way to write the same number.
            let shortest = byte != 0 || place == 0;
            return shortest.then_some((value, &bytes[place + 1..]));
        }
    }
    None
}

/// FNV-1a over the normalised filter and the order. It catches mistakes, not attackers.
fn fingerprint(filter: &Filter, order: Order) -> u64 {
    let order = match order {
        Order::Ascending => "asc",
        Order::Descending => "desc",
    };
    filter
        .terms()
        .flat_map(|(name, value)| [name, value])
        .chain([order])
        .flat_map(|text| text.bytes().chain([0xff]))
        .fold(0xcbf2_9ce4_8422_2325, |state, byte| {
            (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
