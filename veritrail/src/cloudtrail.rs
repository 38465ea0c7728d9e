//! Records of AWS CloudTrail as entries. A pure mapping of one record's text to
//! one posted text: every member of the record ends up in the entry exactly
//! once, and what is not understood stays word for word in `metadata`. It never
//! reads a file or the network.

mod json;

use self::json::{Members, Text};

/// Limits of the entry format that a record's own values could exceed; a value
/// that does not fit stays in `metadata`, since a refused entry is a lost one.
const ID_CHARACTERS: usize = 256;
const CODE_CHARACTERS: usize = 64;
const CORRELATION_CHARACTERS: usize = 128;
const TYPE_CHARACTERS: usize = 64;
const TARGETS: usize = 32;

/// Why a record cannot become an entry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unmappable {
    #[error("not a JSON object: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("no {0}")]
    Missing(&'static str),
}

/// The entry, as text to post, of one record. `partition` is named in it when
/// it is not the default one.
///
/// # Errors
/// The text is no JSON object, or has no `eventID`, `eventSource` or `eventName`.
pub(crate) fn entry(record: &str, partition: Option<&str>) -> Result<String, Unmappable> {
    let mut record = Members::parse(record)?;
    let mut entry = Members::default();
    entry.put_string(
        "id",
        &record
            .take_string("eventID")
            .ok_or(Unmappable::Missing("eventID"))?,
    );
    if let Some(partition) = partition {
        entry.put_string("partition", partition);
    }
    if let Some(time) = record.take_string("eventTime") {
        entry.put_string("occurred_at", &time);
    }
    let source = record
        .string("eventSource")
        .ok_or(Unmappable::Missing("eventSource"))?;
    let name = snake_case(
        &record
            .string("eventName")
            .ok_or(Unmappable::Missing("eventName"))?,
    );
    let service = source.split('.').next().unwrap_or_default();
    entry.put_string(
        "action",
        &format!("{}.{name}", word(&service.to_ascii_lowercase())),
    );
    entry.put_string(
        "activity",
        activity(record.flag("readOnly") == Some(true), &name),
    );

    if let Some(code) = record.string("errorCode") {
        let refused = code.starts_with("AccessDenied") || code.starts_with("Client.Unauthorized");
        entry.put_string("severity", if refused { "error" } else { "warning" });
    }
    entry.put("actor", actor(&mut record)?.text());
    if let Some(targets) = targets(&mut record)? {
        entry.put("targets", targets);
    }
    entry.put("outcome", outcome(&mut record).text());
    entry.put_unless_empty("context", &context(&mut record));
    if let Some(shared) = record.take_string_within("sharedEventID", CORRELATION_CHARACTERS) {
        entry.put_string("correlation_id", &shared);
    }
    let mut labels = Members::default();
    for (label, member) in [
        ("account", "recipientAccountId"),
        ("category", "eventCategory"),
        ("type", "eventType"),
    ] {
        if let Some(value) = record.take_string_within(member, ID_CHARACTERS) {
            labels.put_string(label, &value);
        }
    }
    entry.put_unless_empty("labels", &labels);
    entry.put_unless_empty("metadata", &record);
    Ok(entry.text().into())
}

fn activity(read_only: bool, name: &str) -> &'static str {
    if read_only {
        return "read";
    }
    match name.split('_').next().unwrap_or_default() {
        "create" | "run" | "allocate" | "start" | "send" => "create",
        "put" | "update" | "modify" | "attach" | "detach" | "associate" | "disassociate"
        | "add" | "remove" | "tag" | "authorize" | "revoke" => "update",
        "delete" | "terminate" | "release" | "end" | "stop" => "delete",
        _ => "other",
    }
}

fn actor(record: &mut Members) -> Result<Members, Unmappable> {
    let mut identity = record.take_object("userIdentity")?.unwrap_or_default();
    let kind = match identity.string("type").as_deref() {
        Some("IAMUser" | "Root") => "user",
        Some("AWSService") => "service",
        _ => "system",
    };
    let chosen = identify(&mut identity);
    let mut actor = Members::default();
    actor.put_string("type", kind);
    actor.put_string("id", &chosen.id);
    let user = identity.take_string("userName");
    if let Some(name) = user.or(chosen.address) {
        actor.put_string("name", &name);
    }
    let issuer = issuer(&identity)?;
    actor.put_unless_empty("metadata", &identity);
    if let Some(issuer) = issuer {
        actor.put("on_behalf_of", Text::array([issuer.text()]));
    }
    Ok(actor)
}

/// Whom an id names, and the e-mail address that was taken off it.
struct Identified {
    id: String,
    address: Option<String>,
}

/// The id of a record's identity: its ARN, else its principal id, else the
/// service it was invoked by, the one used being taken away. Where the ARN ends
/// in an e-mail address, the address becomes the name, which can be erased, and
/// the id is the principal id, or, for a session, which has the address in that
/// too, the ARN of the role; the whole ARN stays in the metadata then.
fn identify(identity: &mut Members) -> Identified {
    for member in ["arn", "principalId", "invokedBy"] {
        let Some(value) = identity.string(member) else {
            continue;
        };
        let cut = without_address(&value);
        if !fits(&cut.id, ID_CHARACTERS) {
            continue;
        }
        if cut.address.is_none() {
            identity.take_string(member);
            return cut;
        }
        let principal = identity
            .string("principalId")
            .filter(|id| fits(id, ID_CHARACTERS));
        if let Some(id) = principal.filter(|id| without_address(id).address.is_none()) {
            identity.take_string("principalId");
            return Identified { id, ..cut };
        }
        return cut;
    }
    Identified {
        id: "unknown".to_owned(),
        address: None,
    }
}

/// Cuts a last segment that is an e-mail address off an ARN or principal id.
fn without_address(value: &str) -> Identified {
    let start = value.rfind(['/', ':']).map_or(0, |at| at + 1);
    let (head, last) = value.split_at(start);
    if !is_address(last) {
        return Identified {
            id: value.to_owned(),
            address: None,
        };
    }
    let head = head.trim_end_matches(['/', ':']);
    let id = if head.is_empty() { "unknown" } else { head };
    Identified {
        id: id.to_owned(),
        address: Some(last.to_owned()),
    }
}

/// `[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`, the whole of it.
fn is_address(text: &str) -> bool {
    let Some((mailbox, domain)) = text.split_once('@') else {
        return false;
    };
    let Some((host, top)) = domain.rsplit_once('.') else {
        return false;
    };
    let host_fits = |c: u8| c.is_ascii_alphanumeric() || b".-".contains(&c);
    let mailbox_fits = |c: u8| c.is_ascii_alphanumeric() || b"._%+-".contains(&c);
    !mailbox.is_empty()
        && mailbox.bytes().all(mailbox_fits)
        && !host.is_empty()
        && host.bytes().all(host_fits)
        && top.len() >= 2
        && top.bytes().all(|c| c.is_ascii_alphabetic())
}

/// The role behind a session. It is not taken away: metadata keeps the session whole.
fn issuer(identity: &Members) -> Result<Option<Members>, Unmappable> {
    let Some(session) = identity.object("sessionContext")? else {
        return Ok(None);
    };
    let Some(issuer) = session.object("sessionIssuer")? else {
        return Ok(None);
    };
    let Some(arn) = issuer.string("arn") else {
        return Ok(None);
    };
    let cut = without_address(&arn);
    if !fits(&cut.id, ID_CHARACTERS) {
        return Ok(None);
    }
    let mut element = Members::default();
    element.put_string("type", "system");
    element.put_string("id", &cut.id);
    if let Some(name) = issuer.string("userName").or(cut.address) {
        element.put_string("name", &name);
    }
    Ok(Some(element))
}

fn targets(record: &mut Members) -> Result<Option<Text>, Unmappable> {
    let Some(resources) = record.array("resources")? else {
        return Ok(None);
    };
    let mut targets = Vec::with_capacity(resources.len());
    for resource in &resources {
        let resource = Members::parse(resource)?;
        let Some(target) = target(&resource) else {
            return Ok(None);
        };
        targets.push(target.text());
    }
    if targets.is_empty() || targets.len() > TARGETS {
        return Ok(None);
    }
    record.take("resources");
    Ok(Some(Text::array(targets)))
}

/// `None` when a resource is not what CloudTrail describes or does not fit;
/// the list as a whole then stays in the metadata.
fn target(resource: &Members) -> Option<Members> {
    let arn = resource.string("ARN")?;
    let kind = resource
        .string("type")
        .or_else(|| Some(arn.split(':').nth(2)?.to_owned()))?;
    let cut = without_address(&arn);
    if !fits(&cut.id, ID_CHARACTERS) || !fits(&kind, TYPE_CHARACTERS) {
        return None;
    }
    let mut target = Members::default();
    target.put_string("type", &kind);
    target.put_string("id", &cut.id);
    if let Some(address) = cut.address {
        target.put_string("name", &address);
    }
    if let Some(account) = resource.string("accountId") {
        let mut metadata = Members::default();
        metadata.put_string("accountId", &account);
        target.put("metadata", metadata.text());
    }
    Some(target)
}

fn outcome(record: &mut Members) -> Members {
    let mut outcome = Members::default();
    if record.string("errorCode").is_none() {
        outcome.put_string("status", "success");
        return outcome;
    }
    outcome.put_string("status", "failure");
    if let Some(code) = record.take_string_within("errorCode", CODE_CHARACTERS) {
        outcome.put_string("code", &code);
    }
    // Null is the same as absent.
    match record.take_string("errorMessage") {
        Some(reason) => outcome.put_string("reason", &reason),
        None => outcome.put_null("reason"),
    }
    outcome
}

fn context(record: &mut Members) -> Members {
    let mut context = Members::default();
    if let Some(address) = record.take_string("sourceIPAddress") {
        context.put_string("ip", &address);
    }
    if let Some(agent) = record.take_string("userAgent") {
        context.put_string("user_agent", &without_links(&agent));
    }
    if let Some(request) = record.take_string("requestID") {
        context.put_string("request_id", &request);
    }
    if let Some(region) = record.take_string("awsRegion") {
        context.put_string("location", &region);
    }
    context
}

/// Without the comments of the form ` (+URL)` that some agents advertise themselves with.
fn without_links(agent: &str) -> String {
    let mut kept = String::with_capacity(agent.len());
    let mut rest = agent;
    while let Some(at) = rest.find(" (+") {
        let Some(length) = rest[at..].find(')') else {
            break;
        };
        kept.push_str(&rest[..at]);
        rest = &rest[at + length + 1..];
    }
    kept.push_str(rest);
    kept
}

/// `DescribeDBInstances` becomes `describe_db_instances`.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 8);
    for (at, letter) in letters.iter().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            let before = letters[at - 1];
            let next_is_lower = letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
            let after_word = before.is_ascii_lowercase() || before.is_ascii_digit();
            if after_word || (before.is_ascii_uppercase() && next_is_lower) {
                snake.push('_');
            }
        }
        snake.push(letter.to_ascii_lowercase());
    }
    word(&snake)
}

/// One segment of an action: what may not stand in one becomes `_`.
fn word(text: &str) -> String {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let word: String = text
        .chars()
        .map(|c| if fits(c) { c } else { '_' })
        .take(60)
        .collect();
    if word.is_empty() {
        "unknown".to_owned()
    } else {
        word
    }
}

fn fits(text: &str, characters: usize) -> bool {
    !text.is_empty() && text.chars().count() <= characters
}

#[cfg(test)]
mod tests;
