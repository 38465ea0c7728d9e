//! A chain of 1,500 entries rebuilt from what was posted, and its evidence.

use chain::verify::{Error, Verifier};

use crate::vectors::{WholeChain, json, lines, rebuilt};

#[test]
fn rebuilt_from_the_posted_texts() {
    let whole: WholeChain = json("chain.json");
    let (chain, rows) = rebuilt();
    assert_eq!(rows.len(), whole.header.size);
    let mut verifier = Verifier::new(chain);
    for (row, hash) in rows.iter().zip(&whole.hashes) {
        assert_eq!(row.hash, hash.0, "seq {}", row.seq);
        assert_eq!(verifier.row(row).unwrap().hash, hash.0);
    }
    assert_eq!(verifier.head().unwrap().size, 1_500);
    for vector in &whole.vectors {
        vector.check();
        let seq = usize::try_from(vector.server.seq).unwrap();
        assert_eq!(rows[seq].document().unwrap(), vector.document);
    }
}

#[test]
fn evidence_lines_of_the_vectors_and_our_own() {
    let whole: WholeChain = json("chain.json");
    let (chain, rows) = rebuilt();
    let mut theirs = Verifier::new(chain.clone());
    let lines = lines("chain-evidence.jsonl.gz");
    assert_eq!(lines.len(), 200);
    for (line, hash) in lines.iter().zip(&whole.hashes) {
        let verified = theirs.line(line.as_bytes()).unwrap();
        assert_eq!(verified.hash, hash.0);
        assert_eq!(verified.withheld, [""; 0]);
        assert_eq!(verified.proof.is_some(), verified.seq == 199);
    }
    let mut ours = Verifier::new(chain.clone());
    for row in &rows {
        let line = format!("{}\n", row.evidence_form().unwrap());
        assert_eq!(ours.line(line.as_bytes()).unwrap().id, row.id);
    }
    assert_eq!(ours.head().unwrap().hash, rows[1_499].hash);
    let mut resumed = Verifier::resume(chain, theirs.head().unwrap());
    resumed.row(&rows[200]).unwrap();
}

/// What can happen to a whole chain: the first entry that is not what it was is named.
#[test]
fn removed_repeated_and_reordered_entries() {
    let (chain, rows) = rebuilt();
    let first_wrong = |order: &[usize]| {
        let run = |by_line: bool| {
            let mut verifier = Verifier::new(chain.clone());
            for &index in order {
                let result = if by_line {
                    let line = rows[index].evidence_form().unwrap();
                    verifier.line(line.as_bytes()).map(drop)
                } else {
                    verifier.row(&rows[index]).map(drop)
                };
                match result {
                    Ok(()) => {}
                    Err(Error::Wrong { seq, place, .. }) => {
                        return Some((seq, place.replace("document/", "")));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            None
        };
        let found = run(false);
        assert_eq!(found, run(true));
        found
    };
    let seq = |at| Some((at, "seq".to_owned()));
    assert_eq!(first_wrong(&[0, 1, 2, 3]), None);
    assert_eq!(first_wrong(&[1, 2, 3]), seq(0));
    assert_eq!(first_wrong(&[0, 2, 3]), seq(1));
    assert_eq!(first_wrong(&[0, 1, 1, 2]), seq(2));
    assert_eq!(first_wrong(&[0, 2, 1, 3]), seq(1));

    // A chain of another installation, tenant, partition or generation.
    for (index, place) in ["previous", "tenant", "partition", "generation"]
        .into_iter()
        .enumerate()
    {
        let mut other = chain.clone();
        match index {
            0 => "other.example.com".clone_into(&mut other.origin),
            1 => "other".clone_into(&mut other.tenant),
            2 => "other".clone_into(&mut other.partition),
            _ => other.generation = 2,
        }
        let error = Verifier::new(other.clone()).row(&rows[0]).unwrap_err();
        assert!(
            matches!(&error, Error::Wrong { seq: 0, place: found, .. } if found == place),
            "{error}"
        );
        let line = rows[0].evidence_form().unwrap();
        Verifier::new(other).line(line.as_bytes()).unwrap_err();
    }
}

#[test]
fn an_unknown_version_is_not_verified_and_not_wrong() {
    let (chain, rows) = rebuilt();
    for version in ["2", "1.0", "\\\"1\\\"", "null"] {
        let line = rows[0].evidence_form().unwrap();
        let line = line.replace(
            "\\\"version\\\":1}",
            &format!("\\\"version\\\":{version}}}"),
        );
        let error = Verifier::new(chain.clone())
            .line(line.as_bytes())
            .unwrap_err();
        assert!(
            matches!(error, Error::UnknownVersion { seq: 0, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("cannot verify"));
    }
}
