use proptest::prelude::*;

use super::*;

/// What `undo` makes of the string that begins at `start`, and where it says that the quotes and backslashes are.
fn undone(source: &[u8], start: usize) -> Option<(usize, Vec<u8>, Vec<usize>)> {
    let mut to = vec![0xff; source.len() + SLACK];
    let mut marks = Marks::default();
    let Undone { behind, length } = undo(source, start, &mut to, &mut marks)?;
    to.truncate(length);
    Some((behind, to, marks.places().to_vec()))
}

/// The same byte by byte.
fn naive(source: &[u8], start: usize) -> Option<(usize, Vec<u8>, Vec<usize>)> {
    let (mut at, mut to, mut told) = (start, Vec::new(), Vec::new());
    loop {
        match *source.get(at)? {
            b'"' => return Some((at + 1, to, told)),
            b'\\' => {
                at += 1;
                let escaped = *source.get(at)?;
                if !matches!(escaped, b'"' | b'\\') {
                    return None;
                }
                told.push(to.len());
                to.push(escaped);
            }
            0..=0x1f => return None,
            byte => to.push(byte),
        }
        at += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn as_byte_by_byte(
        text in r#"([a-zë€ ]{0,80}|(\\["\\]){0,40}|[\n\x01]|"|\\){0,12}"#,
        before in 0_usize..70,
        behind in 0_usize..140,
    ) {
        let source = format!("{}{text}\"{}", "\"".repeat(before), "\n".repeat(behind));
        let (source, start) = (source.as_bytes(), before);
        prop_assert_eq!(undone(source, start), naive(source, start));
    }

    #[test]
    fn any_bytes(source in proptest::collection::vec(prop_oneof![Just(b'\\'), Just(b'"'), any::<u8>()], 0..300)) {
        prop_assert_eq!(undone(&source, 0), naive(&source, 0));
    }
}

#[test]
fn without_room_nothing_is_undone() {
    let source = [b"a".repeat(100).as_slice(), b"\""].concat();
    for room in 0..100 + SLACK {
        let undone = undo(&source, 0, &mut vec![0; room], &mut Marks::default());
        assert!(undone.is_none_or(|undone| undone.length == 100));
    }
}
