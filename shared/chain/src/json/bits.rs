//! Where quotes and backslashes stand among sixty-four bytes. Never knows what they mean.
//!
//! Written so that the compiler compares sixteen bytes at once.

/// Bytes looked at together.
pub(crate) const PLACES: usize = 64;

/// A bit for each of them, the lowest one for the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    pub(crate) quotes: u64,
    pub(crate) backslashes: u64,
}

impl Bits {
    // Inlined it would be compiled to compare the bytes one by one.
    #[inline(never)]
    pub(crate) fn of(block: &[u8; PLACES]) -> Self {
        Self {
            quotes: bits_of(block, b'"'),
            backslashes: bits_of(block, b'\\'),
        }
    }
}

/// A bit for each byte that is `byte`.
#[inline]
fn bits_of(block: &[u8; PLACES], byte: u8) -> u64 {
    const ROWS: [[u8; 8]; 8] = [
        [1; 8], [2; 8], [4; 8], [8; 8], [16; 8], [32; 8], [64; 8], [128; 8],
    ];
    let found: [u8; PLACES] = std::array::from_fn(|place| {
        if block[place] == byte {
            ROWS.as_flattened()[place]
        } else {
            0
        }
    });
    // Bit `row` of byte `column` for each place `8 * row + column`.
    let rows = found.as_chunks().0.iter();
    transposed(rows.fold(0, |all, row| all | u64::from_le_bytes(*row)))
}

/// Makes rows of the columns of eight times eight bits: squares of one, two and four bits change places across the
/// diagonal.
#[inline]
fn transposed(mut bits: u64) -> u64 {
    for (distance, squares) in [
        (7, 0x00aa_00aa_00aa_00aa),
        (14, 0x0000_cccc_0000_cccc),
        (28, 0x0000_0000_f0f0_f0f0),
    ] {
        let changed = (bits ^ (bits >> distance)) & squares;
        bits ^= changed ^ (changed << distance);
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_byte_in_its_place(block in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), any::<u8>()], PLACES)) {
            let bits = Bits::of(block.as_slice().try_into().unwrap());
            for (place, byte) in block.iter().enumerate() {
                prop_assert_eq!(bits.quotes >> place & 1 == 1, *byte == b'"');
                prop_assert_eq!(bits.backslashes >> place & 1 == 1, *byte == b'\\');
            }
        }
    }
}
