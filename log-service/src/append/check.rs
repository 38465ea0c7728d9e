//! The rules of the service for what the format accepts: whom a caller may record, where, and that
//! what stays for ever is not personal. It never looks at the tenant's entries.

use chain::Entry;
use service::{ApiError, Caller, Kind, Place};

use super::Shape;

/// Every place of every entry that breaks a rule; `personal_ids` is the tenant's setting.
pub(super) fn entries(
    caller: &Caller,
    entries: &[Entry],
    personal_ids: bool,
    shape: Shape,
) -> Result<(), ApiError> {
    let mut places = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let mut refuse = |member: &str, message: &str| {
            places.push(Place::new(shape.pointer(index, member), message));
        };
        if entry.partition() != entries[0].partition() {
            refuse("/partition", "another partition than the first entry's");
        } else if !caller.may_append_to(entry.partition()) {
            refuse(
                "/partition",
                "not a partition that this caller may append to",
            );
        }
        if !caller.may_record_action(entry.action()) {
            refuse("/action", "not an action that this caller may record");
        }
        if entry.actor_given() && !is_caller(caller, entry) && !may_name(caller, entry) {
            refuse("/actor", "not an actor that this caller may record");
        }
        // An entry of our own that is refused would stop the outbox it comes from.
        if personal_ids || caller.principal.kind == Kind::System {
            continue;
        }
        for (pointer, id) in entry.identifiers() {
            if looks_personal(id) {
                refuse(
                    &pointer,
                    "looks_personal: an e-mail address, which could never be erased",
                );
            }
        }
    }
    if places.is_empty() {
        return Ok(());
    }
    Err(ApiError::Invalid(places))
}

fn may_name(caller: &Caller, entry: &Entry) -> bool {
    caller.may_record_actor(entry.actor_type(), entry.actor_id())
}

/// Whoever may append may say that it was himself.
fn is_caller(caller: &Caller, entry: &Entry) -> bool {
    entry.actor_type() == caller.principal.kind.as_str()
        && entry.actor_id().parse() == Ok(caller.principal.id)
}

/// `[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`, as a whole.
fn looks_personal(id: &str) -> bool {
    let Some((local, domain)) = id.split_once('@') else {
        return false;
    };
    let Some((host, top)) = domain.rsplit_once('.') else {
        return false;
    };
    let of = |text: &str, others: &[u8]| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
    };
    of(local, b"._%+-")
        && of(host, b".-")
        && top.len() >= 2
        && top.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::looks_personal;

    #[test]
    fn only_whole_addresses_look_personal() {
        for personal in [
            "ann@example.com",
            "a.b%c+d-e_f@x-y.co.uk",
            "1@2.ab",
            "a@..ab",
        ] {
            assert!(looks_personal(personal), "{personal}");
        }
        for opaque in [
            "",
            "@",
            "a@b",
            "a@b.c",
            "a@.ab",
            "@b.com",
            "a@b.c0",
            "a@b@c.de",
            "ann@example.com ",
            "mailto:ann@example.com",
            "AROA123:ann@example.com",
            "ü@example.com",
            "a@exämple.com",
        ] {
            assert!(!looks_personal(opaque), "{opaque}");
        }
    }
}
