//! The digests of one entry's texts, computed together where the texts stand. Never decides what is hashed.
//!
//! A digest waits for itself: each round of SHA-256 needs the one before. Two messages taken block by block in turn keep
//! the processor busy while each of them waits, which is half as fast again as one after the other. And a message that
//! stands in one piece, padded already, spares the copies into a hasher's own buffer.

use sha2::block_api::compress256;

use crate::hash::Hash;

const BLOCK: usize = 64;

/// Behind a message: one bit, and its length (FIPS 180-4 §5.1.1).
const LEAST_PADDING: usize = 9;

/// The state that a digest begins with (FIPS 180-4 §5.3.3).
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Messages, each padded to whole blocks. Its room is reused from one entry to the next.
#[derive(Default)]
pub(crate) struct Batch {
    /// Longer than what is used of it, and never shortened.
    blocks: Vec<[u8; BLOCK]>,
    messages: Vec<Message>,
}

struct Message {
    /// Its first block and the one behind it.
    blocks: (usize, usize),
    length: usize,
    digest: Hash,
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        self.messages.clear();
    }

    fn used(&self) -> usize {
        self.messages.last().map_or(0, |message| message.blocks.1)
    }

    /// Room for the next message, at least `most` bytes. What is written there becomes a message with
    /// [`Batch::close`].
    pub(crate) fn open(&mut self, most: usize) -> &mut [u8] {
        let used = self.used();
        let end = used + (most + LEAST_PADDING).div_ceil(BLOCK);
        if self.blocks.len() < end {
            self.blocks.resize(end, [0; BLOCK]);
        }
        self.blocks[used..].as_flattened_mut()
    }

    /// Ends the message that was written to the beginning of what [`Batch::open`] gave.
    pub(crate) fn close(&mut self, length: usize) {
        let first = self.used();
        let end = first + (length + LEAST_PADDING).div_ceil(BLOCK);
        let blocks = self.blocks[first..end].as_flattened_mut();
        let bits = (length as u64) << 3;
        let (_, padding) = blocks.split_at_mut(length);
        padding.fill(0);
        padding[0] = 0x80;
        if let Some(last) = padding.last_chunk_mut() {
            *last = bits.to_be_bytes();
        }
        self.messages.push(Message {
            blocks: (first, end),
            length,
            digest: Hash([0; 32]),
        });
    }

    /// The bytes of the message with this index.
    pub(crate) fn message(&self, index: usize) -> &[u8] {
        let Message { blocks, length, .. } = &self.messages[index];
        &self.blocks[blocks.0..blocks.1].as_flattened()[..*length]
    }

    /// The digest of the message with this index, after [`Batch::hash`].
    pub(crate) fn digest(&self, index: usize) -> Hash {
        self.messages[index].digest
    }

    /// Computes all digests.
    pub(crate) fn hash(&mut self) {
        let mut waiting = self.messages.iter_mut();
        let lane = |message| Lane::new(message, &self.blocks);
        let (mut one, mut other) = (waiting.next().map(lane), waiting.next().map(lane));
        while let (Some(a), Some(b)) = (&mut one, &mut other) {
            let both = a.left.len().min(b.left.len());
            for _ in 0..both {
                a.step();
                b.step();
            }
            if a.left.is_empty() {
                a.finish();
                one = waiting.next().map(lane);
            }
            if b.left.is_empty() {
                b.finish();
                other = waiting.next().map(lane);
            }
        }
        if let Some(mut last) = one.or(other) {
            compress256(&mut last.state, last.left);
            last.finish();
        }
    }
}

/// A message that is being hashed.
struct Lane<'b> {
    state: [u32; 8],
    left: &'b [[u8; BLOCK]],
    digest: &'b mut Hash,
}

impl<'b> Lane<'b> {
    fn new(message: &'b mut Message, blocks: &'b [[u8; BLOCK]]) -> Self {
        Self {
            state: START,
            left: &blocks[message.blocks.0..message.blocks.1],
            digest: &mut message.digest,
        }
    }

    #[inline]
    fn step(&mut self) {
        if let Some((next, left)) = self.left.split_at_checked(1) {
            compress256(&mut self.state, next);
            self.left = left;
        }
    }

    fn finish(&mut self) {
        let words = self.state.map(u32::to_be_bytes);
        self.digest.0.copy_from_slice(words.as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    proptest! {
        #[test]
        fn digests_are_those_of_sha_256(rounds in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..6), 1..4,
        )) {
            let mut batch = Batch::default();
            // What an earlier round left behind is no part of a later one.
            for messages in rounds {
                batch.clear();
                for message in &messages {
                    let room = batch.open(message.len() + 5);
                    room[..message.len()].copy_from_slice(message);
                    room[message.len()..].fill(0xff);
                    batch.close(message.len());
                }
                batch.hash();
                for (index, message) in messages.iter().enumerate() {
                    prop_assert_eq!(batch.message(index), message.as_slice());
                    prop_assert_eq!(batch.digest(index), Hash(Sha256::digest(message).into()));
                }
            }
        }
    }
}
