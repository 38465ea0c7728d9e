//! What a reader asks of the live stream: a filter, and the position to go on from. The position
//! is opaque to readers, like a list's cursor, and checked, not signed. It never names a tenant.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cursor::{SEQ_LIMIT, number, take_number};
use crate::urlencoded::{pairs, shown};
use crate::{Fault, Filter, MAX_CHAINS, is_partition_name};

/// Another first byte than a list's cursor has, so that neither is taken for the other.
const VERSION: u8 = 0x81;

/// A question to the stream, read from a URL's query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    /// Without an upper bound of time: a stream has no end.
    pub filter: Filter,
    /// Where to go on; absent: from now, or from the filter's `from`.
    pub after: Option<Position>,
}

/// Up to where a stream was read: of each chain, the seq to go on with. A chain that it covers and
/// does not name is read from its beginning: it was empty or not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub reach: Reach,
    /// In the order of names, at most [`MAX_CHAINS`].
    pub chains: Vec<Next>,
}

/// Which of a tenant's partitions a stream covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reach {
    /// The one that the filter names.
    One,
    /// All that every reader may see.
    Ordinary,
    /// All.
    Every,
}

/// The first entry of a chain that was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    pub partition: String,
    /// From 1.
    pub generation: u32,
    pub seq: u64,
}

impl Follow {
    /// Reads a URL's query (without its `?`), which may be empty.
    ///
    /// # Errors
    /// Every place that is wrong: unknown or repeated parameters, values outside their rule, and a
    /// position that is malformed or of other partitions.
    pub fn parse(query: &str) -> Result<Self, Vec<Fault>> {
        let mut filter = Filter::default();
        let mut after = None;
        let mut faults = Vec::new();
        let mut seen = HashSet::new();
        for (name, value) in pairs(query).map_err(|fault| vec![fault])? {
            let fault = |message| Fault::new(&shown(&name), message);
            if !seen.insert(name.clone()) {
                faults.push(fault("given twice"));
                continue;
            }
            match name.as_str() {
                "after" => after = Some(value),
                "to" => faults.push(fault("a stream has no end; a list takes a range")),
                _ => match filter.take(&name, value) {
                    Ok(true) => {}
                    Ok(false) => faults.push(fault("unknown parameter")),
                    Err(refused) => faults.push(refused),
                },
            }
        }
        faults.extend(filter.check().err());
        if !faults.is_empty() {
            return Err(faults);
        }
        let after = after
            .map(|text| Position::read(&text, &filter, "after"))
            .transpose()
            .map_err(|fault| vec![fault])?;
        Ok(Self { filter, after })
    }
}

impl Position {
    /// Reads what [`Position::encode`] wrote; `parameter` is where it was given.
    ///
    /// # Errors
    /// When it is malformed, or of other partitions than the filter's.
    pub fn read(text: &str, filter: &Filter, parameter: &str) -> Result<Self, Fault> {
        let malformed = || Fault::new(parameter, "not a cursor of a stream");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
        let position = decode(&bytes).ok_or_else(malformed)?;
        let fits = match filter.partition() {
            Some(name) => {
                position.reach == Reach::One
                    && position.chains.iter().all(|next| next.partition == name)
            }
            None => position.reach != Reach::One,
        };
        if !fits {
            return Err(Fault::new(parameter, "made for another partition"));
        }
        Ok(position)
    }

    /// The text that a reader sends back.
    pub fn encode(&self) -> String {
        let chains = self.chains.iter();
        encode(
            self.reach,
            chains.map(|next| (next.partition.as_str(), next.generation, next.seq)),
        )
    }
}

/// [`Position::encode`] of parts, for whoever has them at hand. Chains at the beginning of their
/// first generation are left out, since that is what leaving out means.
pub fn encode<'a>(reach: Reach, chains: impl Iterator<Item = (&'a str, u32, u64)>) -> String {
    let mut bytes = Vec::with_capacity(64);
    bytes.push(VERSION);
    bytes.push(match reach {
        Reach::One => 0,
        Reach::Ordinary => 1,
        Reach::Every => 2,
    });
    for (partition, generation, seq) in chains {
        if generation == 1 && seq == 0 {
            continue;
        }
        number(&mut bytes, partition.len() as u64);
        bytes.extend(partition.bytes());
        number(&mut bytes, u64::from(generation));
        number(&mut bytes, seq);
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `None` for anything that [`encode`] would not write.
fn decode(bytes: &[u8]) -> Option<Position> {
    let (&version, rest) = bytes.split_first()?;
    let (&reach, mut rest) = rest.split_first()?;
    let reach = match reach {
        0 => Reach::One,
        1 => Reach::Ordinary,
        2 => Reach::Every,
        _ => return None,
    };
    if version != VERSION {
        return None;
    }
    let mut chains: Vec<Next> = Vec::new();
    while let Some((&length, after)) = rest.split_first() {
        let (name, after) = after.split_at_checked(usize::from(length))?;
        let (generation, after) = take_number(after)?;
        let (seq, after) = take_number(after)?;
        let partition = str::from_utf8(name).ok()?;
        // The column is a signed integer.
        let generation = u32::try_from(generation)
            .ok()
            .filter(|&number| i32::try_from(number).is_ok())?;
        let ascending = chains
            .last()
            .is_none_or(|last| last.partition.as_str() < partition);
        if !is_partition_name(partition)
            || !ascending
            || generation == 0
            || (generation == 1 && seq == 0)
            || seq > SEQ_LIMIT
            || chains.len() == MAX_CHAINS
        {
            return None;
        }
        chains.push(Next {
            partition: partition.to_owned(),
            generation,
            seq,
        });
        rest = after;
    }
    Some(Position { reach, chains })
}
