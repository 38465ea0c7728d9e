//! Forms that the C2SP pages allow and forbid, beyond what the vectors have.

use chain::checkpoint::{self, Checkpoint};
use chain::note::{Error, Note, Signer, Verifier};
use chain::proof::Proof;
use chain::tile::{Content, Tile};
use chain::tree::empty;
use proptest::prelude::*;

fn signer(name: &str, seed: u8) -> Signer {
    Signer::new(name, &[seed; 32]).unwrap()
}

/// The signature line of a note with one signature.
fn line(note: &str) -> &str {
    &note[note.rfind("\n\n").unwrap() + 2..]
}

#[test]
fn a_note_is_judged_by_the_keys_one_trusts() {
    let (log, witness) = (signer("log.example", 1), signer("witness.example", 2));
    let text = "first\n\nlast\n";
    let by_log = log.sign(text).unwrap();
    let by_both = by_log.clone() + line(&witness.sign(text).unwrap());
    let trusted = [log.verifier().clone(), witness.verifier().clone()];

    let note = Note::parse(&by_both).unwrap();
    assert_eq!(note.verify(&trusted), Ok(text));
    assert_eq!(note.verify(&trusted[..1]), Ok(text));
    assert_eq!(note.verify(&trusted[1..]), Ok(text));
    assert_eq!(note.verify(&[]), Err(Error::Unknown));
    assert_eq!(
        Note::parse(&by_log).unwrap().verify(&trusted[1..]),
        Err(Error::Unknown)
    );

    // A wrong signature of a trusted key spoils the note, a wrong one of a stranger does not.
    let wrong = by_log.clone() + line(&witness.sign("other\n").unwrap());
    let note = Note::parse(&wrong).unwrap();
    assert_eq!(note.verify(&trusted), Err(Error::Signature));
    assert_eq!(note.verify(&trusted[..1]), Ok(text));

    // Another key of the same name is a stranger.
    let namesake = signer("log.example", 3).verifier().clone();
    assert_eq!(
        Note::parse(&by_log).unwrap().verify(&[namesake]),
        Err(Error::Unknown)
    );
}

#[test]
fn notes_may_have_many_signatures_but_not_any_number() {
    let mut note = signer("log.example", 1).sign("text\n").unwrap();
    for seed in 2..=64 {
        note += line(&signer("witness.example", seed).sign("text\n").unwrap());
    }
    let last = signer("witness.example", 64).verifier().clone();
    assert_eq!(Note::parse(&note).unwrap().verify(&[last]), Ok("text\n"));
    note += line(&signer("witness.example", 65).sign("text\n").unwrap());
    assert_eq!(Note::parse(&note), Err(Error::Form));
}

#[test]
fn malformed_notes_are_refused() {
    let whole = signer("log.example", 1).sign("text\n").unwrap();
    let signature = line(&whole).trim_end().rsplit_once(' ').unwrap().1;
    for note in [
        "",
        "\n",
        "\n\n",
        "text\n",
        "text\n\n",
        &format!("text\n— log.example {signature}\n"),
        &format!("text\n\n— log.example {signature}"),
        &format!("text\n\n— log.example {signature}\n\n"),
        &format!("text\n\n- log.example {signature}\n"),
        &format!("text\n\n—  log.example {signature}\n"),
        &format!("text\n\n— log.example  {signature}\n"),
        &format!("text\n\n— log+example {signature}\n"),
        &format!("text\n\n— log\u{a0}example {signature}\n"),
        &format!("text\n\n— {signature}\n"),
        "text\n\n— log.example AAAAAA==\n",
        "text\n\n— log.example AAAA\n",
        "text\n\n— log.example AAAAAAA\n",
        "text\n\n— log.example AAAAAAB=\n",
        &format!("te\txt\n\n— log.example {signature}\n"),
        &format!("text\r\n\n— log.example {signature}\n"),
        &format!("te\0xt\n\n— log.example {signature}\n"),
    ] {
        assert_eq!(Note::parse(note), Err(Error::Form), "{note:?}");
    }
    assert_eq!(
        signer("log.example", 1).sign("no newline"),
        Err(Error::Form)
    );
    assert_eq!(signer("log.example", 1).sign("tab\t\n"), Err(Error::Form));
}

#[test]
fn a_signature_that_is_no_ed25519_is_refused() {
    let verifier = signer("log.example", 1).verifier().clone();
    let whole = signer("log.example", 1).sign("text\n").unwrap();
    // The key ID is whole, the signature is cut to three groups of base64.
    let cut = line(&whole).rsplit_once(' ').unwrap().1[..12].to_owned();
    let note = format!("text\n\n— log.example {cut}\n");
    assert_eq!(
        Note::parse(&note).unwrap().verify(&[verifier]),
        Err(Error::Signature)
    );
}

#[test]
fn key_names_and_verifier_keys_have_one_form() {
    for name in ["", "a b", "a+b", "a\u{2003}b", "a\tb", "a\nb", "a\u{1}"] {
        assert_eq!(
            Signer::new(name, &[1; 32]).unwrap_err(),
            Error::Name,
            "{name:?}"
        );
    }
    let vkey = signer("log.example", 1).verifier().to_string();
    let (name_and_id, key) = vkey.rsplit_once('+').unwrap();
    let (name, id) = name_and_id.split_once('+').unwrap();
    for other in [
        String::new(),
        name.to_owned(),
        name_and_id.to_owned(),
        format!("+{id}+{key}"),
        format!("other.example+{id}+{key}"),
        format!("{name}+{}+{key}", id.to_uppercase()),
        format!("{name}+0{id}+{key}"),
        format!("{name}+00000000+{key}"),
        // Another type, an unknown one and no key at all.
        format!("{name}+{id}+B{}", &key[1..]),
        format!("{name}+{id}+AQ=="),
        format!("{name}+{id}+"),
        format!("{name}+{id}+{}", key.trim_end_matches('=')),
    ] {
        if other != vkey {
            assert!(other.parse::<Verifier>().is_err(), "{other}");
        }
    }
    // Whoever prints a signer does not print its key.
    assert_eq!(
        format!("{:?}", signer("log.example", 1)),
        format!("Signer({vkey:?})")
    );
}

#[test]
fn checkpoints_of_other_writers_are_read() {
    let log = signer("log.example", 1);
    let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let empty_log = Checkpoint {
        origin: "log.example".to_owned(),
        size: 0,
        root: empty(),
    };
    let extended = format!("log.example\n0\n{root}\nanything at all\nmore\n");
    assert_eq!(Checkpoint::parse(&extended), Ok(empty_log.clone()));
    let note = log.sign(&extended).unwrap();
    assert_eq!(
        Checkpoint::open(&note, log.verifier()),
        Ok(empty_log.clone())
    );

    // Signed with a trusted key, but for another log or not a checkpoint.
    let foreign = log.sign(&format!("other.example\n0\n{root}\n")).unwrap();
    assert_eq!(
        Checkpoint::open(&foreign, log.verifier()),
        Err(checkpoint::Error::Origin)
    );
    let prose = log.sign("log.example\n").unwrap();
    assert_eq!(
        Checkpoint::open(&prose, log.verifier()),
        Err(checkpoint::Error::Form)
    );
    let other = Checkpoint {
        origin: "other.example".to_owned(),
        ..empty_log
    };
    assert_eq!(other.sign(&log), Err(checkpoint::Error::Origin));

    for text in [
        String::new(),
        "\n".to_owned(),
        format!("log.example\n0\n{root}"),
        format!("\n0\n{root}\n"),
        format!("log.example\n\n{root}\n"),
        "log.example\n0\n\n".to_owned(),
        format!("log.example\n00\n{root}\n"),
        format!("log.example\n01\n{root}\n"),
        format!("log.example\n+1\n{root}\n"),
        format!("log.example\n-1\n{root}\n"),
        format!("log.example\n18446744073709551616\n{root}\n"),
        format!("log.example\n0\n{}\n", root.trim_end_matches('=')),
        "log.example\n0\nAAAA\n".to_owned(),
        format!("log.example\n0\n{root}\n\n"),
        format!("log.example\n0\n{root}\n\nmore\n"),
    ] {
        assert_eq!(
            Checkpoint::parse(&text),
            Err(checkpoint::Error::Form),
            "{text:?}"
        );
    }
}

#[test]
fn malformed_proofs_are_refused() {
    let log = signer("log.example", 1);
    let one = Checkpoint {
        origin: "log.example".to_owned(),
        size: 1,
        root: empty(),
    };
    let note = one.sign(&log).unwrap();
    let hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    let whole = Proof {
        index: 0,
        hashes: Vec::new(),
        checkpoint: note.clone(),
    };
    assert_eq!(
        format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{note}").parse(),
        Ok(whole.clone())
    );
    assert_eq!(whole.verify(empty(), log.verifier()), Ok(one));
    for head in [
        String::new(),
        "index 0\n".to_owned(),
        "c2sp.org/tlog-proof@v2\nindex 0\n".to_owned(),
        "c2sp.org/tlog-proof@v1\n".to_owned(),
        "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n".to_owned(),
        "c2sp.org/tlog-proof@v1\nindex\n".to_owned(),
        "c2sp.org/tlog-proof@v1\nindex 00\n".to_owned(),
        "c2sp.org/tlog-proof@v1\nindex -0\n".to_owned(),
        "c2sp.org/tlog-proof@v1\nindex 18446744073709551616\n".to_owned(),
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n".to_owned(),
        format!("c2sp.org/tlog-proof@v1\nindex 0\n{}", hash.repeat(65)),
    ] {
        assert!(
            format!("{head}\n{note}").parse::<Proof>().is_err(),
            "{head}"
        );
    }
    assert!(
        "c2sp.org/tlog-proof@v1\nindex 0\n\n"
            .parse::<Proof>()
            .is_err()
    );
    assert!(
        "c2sp.org/tlog-proof@v1\nindex 0\n"
            .parse::<Proof>()
            .is_err()
    );
}

#[test]
fn paths_have_one_form() {
    for path in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile//000",
        "/tile/0/000",
        "tile/0/000/",
        "tile/00/000",
        "tile/+1/000",
        "tile/-1/000",
        "tile/64/000",
        "tile/256/000",
        "tile/Entries/000",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000",
        "tile/0/x000/000",
        "tile/0/x001",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/X001/000",
        "tile/0/x01/000",
        "tile/0/+01",
        "tile/0/00a",
        "tile/0/ 00",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/0/000.P/1",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x000/x018/x446/x744/x073/x709/x551/615",
    ] {
        assert!(path.parse::<Tile>().is_err(), "{path}");
    }
    let last = Tile {
        content: Content::Hashes(63),
        index: u64::MAX,
        width: 256,
    };
    assert_eq!(
        last.to_string(),
        "tile/63/x018/x446/x744/x073/x709/x551/615"
    );
    assert_eq!(last.to_string().parse(), Ok(last));
}

proptest! {
    #[test]
    fn paths_are_read_as_written(level in prop::option::of(0_u8..64), index: u64, width in 1_u16..=256) {
        let content = level.map_or(Content::Entries, Content::Hashes);
        let tile = Tile { content, index, width };
        prop_assert_eq!(tile.to_string().parse(), Ok(tile));
    }

    #[test]
    fn no_text_panics(text in "(\\PC|\n|— |tile/|x001/|000|\\.p/|index |c2sp\\.org/tlog-proof@v1\n){0,40}") {
        let verifier = signer("log.example", 1).verifier().clone();
        prop_assert!(Checkpoint::open(&text, &verifier).is_err());
        let _ = Checkpoint::parse(&text);
        let _ = text.parse::<Verifier>();
        let _ = text.parse::<Proof>();
        if let Ok(tile) = text.parse::<Tile>() {
            prop_assert_eq!(tile.to_string(), text);
        }
    }
}
