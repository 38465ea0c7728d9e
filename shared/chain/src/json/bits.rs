//! Where quotes and backslashes stand among sixty-four bytes, and whether a control character does. Never knows what
//! they mean.

use wide::u8x16;

/// Bytes looked at together.
pub(crate) const PLACES: usize = 64;

const LAST_CONTROL: u8 = 0x1f;

/// A bit for each of them, the lowest one for the first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    pub(crate) quotes: u64,
    pub(crate) backslashes: u64,
    /// Whether any of them is below 0x20.
    pub(crate) control: bool,
}

impl Bits {
    #[inline]
    pub(crate) fn of(block: &[u8; PLACES]) -> Self {
        let mut bits = Self::default();
        let mut controls = u8x16::splat(0);
        for (index, &sixteen) in block.as_chunks().0.iter().enumerate() {
            let bytes = u8x16::new(sixteen);
            let are = |byte| u64::from(bytes.simd_eq(u8x16::splat(byte)).to_bitmask());
            bits.quotes |= are(b'"') << (16 * index);
            bits.backslashes |= are(b'\\') << (16 * index);
            controls |= are_control(bytes);
        }
        bits.control = controls.any();
        bits
    }
}

/// All bits of each byte below 0x20.
#[inline]
pub(crate) fn are_control(bytes: u8x16) -> u8x16 {
    bytes.min(u8x16::splat(LAST_CONTROL)).simd_eq(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_byte_in_its_place(
            block in proptest::collection::vec(
                prop_oneof![Just(b'"'), Just(b'\\'), 0x20..=u8::MAX, any::<u8>()],
                PLACES,
            ),
        ) {
            let block = block.as_slice().try_into().unwrap();
            prop_assert_eq!(Bits::of(block), one_by_one(block));
        }

        #[test]
        fn one_byte_among_spaces(place in 0..PLACES, byte in any::<u8>()) {
            let mut block = [b' '; PLACES];
            block[place] = byte;
            prop_assert_eq!(Bits::of(&block), one_by_one(&block));
        }
    }

    fn one_by_one(block: &[u8; PLACES]) -> Bits {
        let bits = |wanted: u8| {
            let places = block.iter().enumerate();
            let found = places.filter(|(_, byte)| **byte == wanted);
            found.fold(0, |bits, (place, _)| bits | 1 << place)
        };
        Bits {
            quotes: bits(b'"'),
            backslashes: bits(b'\\'),
            control: block.iter().any(|byte| *byte < 0x20),
        }
    }
}
