//! Any evidence line: whatever JSON a writer of evidence makes of it. Never knows where members stand.

use super::{Given, LEVELS, Line, PartDigest, Stop};
use crate::json::scan::scan;
use crate::json::{Buffers, Tree, Value};

/// What the line says.
pub(super) fn read<'a>(
    line: &'a [u8],
    buffers: &'a mut Buffers,
) -> Result<Line<'a, impl Iterator<Item = Given<'a>>>, Stop> {
    let tree = scan(line, LEVELS, buffers).map_err(|_| Stop::at("", "not JSON in UTF-8"))?;
    if tree.faulty {
        return Err(Stop::at("", "has a member twice, or is not proper text"));
    }
    let mut document = None;
    let mut parts = None;
    let mut proof = None;
    for (name, value) in members(&tree, tree.root).ok_or(Stop::at("", "not an object"))? {
        match name {
            "document" => document = text(&tree, value),
            "parts" => parts = Some(given(&tree, value)?),
            "proof" => {
                proof = Some(text(&tree, value).ok_or(Stop::at("proof", "not a string"))?);
            }
            _ => {}
        }
    }
    Ok(Line {
        document: document.ok_or(Stop::at("document", "missing or not a string"))?,
        known: None,
        parts: parts.ok_or(Stop::at("parts", "missing"))?.into_iter(),
        proof,
    })
}

fn given<'a>(tree: &Tree<'a>, value: Value) -> Result<Vec<Given<'a>>, Stop> {
    let parts = members(tree, value).ok_or(Stop::at("parts", "not an object"))?;
    parts
        .map(|(name, value)| {
            let mut salt = None;
            let mut string = None;
            for (name, value) in members(tree, value).into_iter().flatten() {
                match name {
                    "salt" => salt = text(tree, value),
                    "text" => string = text(tree, value),
                    _ => {}
                }
            }
            match (salt, string) {
                (Some(salt), Some(text)) => Ok(Given {
                    name: name.as_bytes(),
                    digest: PartDigest::Of { salt, text },
                }),
                _ => Err(Stop::Wrong(
                    format!("parts/{name}"),
                    "has no salt or no text",
                )),
            }
        })
        .collect()
}

/// The members of an object in canonical order; `None` for anything else.
pub(super) fn members<'t, 'a>(
    tree: &'t Tree<'a>,
    value: Value,
) -> Option<impl Iterator<Item = (&'a str, Value)> + use<'t, 'a>> {
    let Value::Object(first, end) = value else {
        return None;
    };
    let members = tree.members(first, end).iter();
    Some(members.map(|member| (tree.text(member.name), member.value)))
}

/// What a string says; `None` for anything else.
pub(super) fn text<'a>(tree: &Tree<'a>, value: Value) -> Option<&'a str> {
    match value {
        Value::Text(text) => Some(tree.text(text)),
        _ => None,
    }
}
