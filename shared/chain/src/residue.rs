//! What an erasure leaves of a salt and of the parts: digests of what went, part salts of what stays. Never decides
//! whether something may be erased.

use crate::cut::{self, Malformed};
use crate::digest::{part_digest, part_salt, push_digits};
use crate::hash::{Hash, Salt};
use crate::json::object::Object;
use crate::stored::{Corrupt, Stored};

/// The column `residue`, read.
pub(crate) struct Residue<'a> {
    digests: Vec<(&'a str, Hash)>,
    salts: Vec<(&'a str, Salt)>,
}

impl<'a> Residue<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Malformed> {
        let [("digests", digests), ("salts", salts)] = cut::members(text)?[..] else {
            return Err(Malformed);
        };
        Ok(Self {
            digests: values(digests)?,
            salts: values(salts)?,
        })
    }

    pub(crate) fn is_erased(&self, part: &str) -> bool {
        self.digests.iter().any(|(name, _)| *name == part)
    }

    pub(crate) fn erased(&self) -> impl Iterator<Item = &'a str> {
        self.digests.iter().map(|(name, _)| *name)
    }
}

/// Names with hexadecimal values.
fn values<T: std::str::FromStr>(text: &str) -> Result<Vec<(&str, T)>, Malformed> {
    cut::members(text)?
        .into_iter()
        .map(|(name, value)| {
            let value = cut::string(value)?.parse().map_err(|_| Malformed)?;
            Ok((name, value))
        })
        .collect()
}

/// Names and texts of the parts in the column `parts`.
pub(crate) fn parts_of(parts: Option<&str>) -> Result<Vec<(&str, &str)>, Malformed> {
    let Some(parts) = parts else {
        return Ok(Vec::new());
    };
    let parts = cut::members(parts)?;
    // Without parts the column is null.
    if parts.is_empty() {
        return Err(Malformed);
    }
    Ok(parts)
}

/// One part of an entry, as far as it is still there.
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    pub(crate) digest: Hash,
    /// Part salt and canonical text; `None` once erased.
    pub(crate) kept: Option<(Salt, &'a str)>,
}

/// The parts that the columns `salt`, `parts` and `residue` tell of, in canonical order; an error when the three do not
/// fit together.
pub(crate) fn personal(stored: &Stored) -> Result<Vec<Part<'_>>, Corrupt> {
    let kept = parts_of(stored.parts.as_deref())
        .map_err(|Malformed| Corrupt::new("parts", "not a canonical object of parts"))?;
    let with_salt = |name, salt, text| Part {
        name,
        digest: part_digest(salt, name, text),
        kept: Some((salt, text)),
    };
    let Some(residue) = &stored.residue else {
        return match stored.salt {
            Some(salt) if !kept.is_empty() => Ok(kept
                .into_iter()
                .map(|(name, text)| with_salt(name, part_salt(salt, name), text))
                .collect()),
            None if kept.is_empty() => Ok(Vec::new()),
            Some(_) => Err(Corrupt::new("salt", "there without parts")),
            None => Err(Corrupt::new("salt", "missing")),
        };
    };
    if stored.salt.is_some() {
        return Err(Corrupt::new("salt", "still there after an erasure"));
    }
    let residue = Residue::parse(residue)
        .map_err(|Malformed| Corrupt::new("residue", "not in its canonical form"))?;
    if residue.digests.is_empty() {
        return Err(Corrupt::new("residue", "names no erased part"));
    }
    if !residue
        .salts
        .iter()
        .map(|(name, _)| name)
        .eq(kept.iter().map(|(name, _)| name))
    {
        return Err(Corrupt::new(
            "residue",
            "its salts are not those of the parts that stay",
        ));
    }
    let mut all: Vec<Part<'_>> = kept
        .iter()
        .zip(&residue.salts)
        .map(|(&(name, text), &(_, salt))| with_salt(name, salt, text))
        .collect();
    all.extend(residue.digests.iter().map(|&(name, digest)| Part {
        name,
        digest,
        kept: None,
    }));
    all.sort_by(|a, b| a.name.cmp(b.name));
    if all.windows(2).any(|pair| pair[0].name == pair[1].name) {
        return Err(Corrupt::new(
            "residue",
            "tells of a part that is still there",
        ));
    }
    Ok(all)
}

/// What replaces three columns of a stored entry when parts are erased; `salt` becomes null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    pub parts: Option<String>,
    pub residue: String,
}

impl Stored {
    /// The columns after the parts named are erased; `None` when there is nothing (left) to erase. The hash stays.
    pub fn erase(&self, names: &[&str]) -> Result<Option<Erased>, Corrupt> {
        let mut parts = personal(self)?;
        let mut changed = false;
        for part in &mut parts {
            if names.contains(&part.name) && part.kept.take().is_some() {
                changed = true;
            }
        }
        Ok(changed.then(|| Erased {
            parts: kept_text(&parts),
            residue: residue_text(&parts),
        }))
    }
}

fn kept_text(parts: &[Part<'_>]) -> Option<String> {
    let mut out = String::new();
    let mut object = Object::open(&mut out);
    for part in parts {
        if let Some((_, text)) = part.kept {
            object.member(part.name).push_str(text);
        }
    }
    object.close();
    parts.iter().any(|part| part.kept.is_some()).then_some(out)
}

fn residue_text(parts: &[Part<'_>]) -> String {
    let mut out = String::new();
    let mut residue = Object::open(&mut out);
    let mut digests = Object::open(residue.member("digests"));
    for part in parts.iter().filter(|part| part.kept.is_none()) {
        push_digits(digests.member(part.name), &part.digest.0);
    }
    digests.close();
    let mut salts = Object::open(residue.member("salts"));
    for part in parts {
        if let Some((salt, _)) = part.kept {
            push_digits(salts.member(part.name), &salt.0);
        }
    }
    salts.close();
    residue.close();
    out
}
