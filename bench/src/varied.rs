//! Entries that differ as those of a real trail do: in what is done, by whom, to what, and in words of
//! which some are everywhere and most are seldom. What an entry is follows from its number alone, so
//! that questions can be made that select something.

/// Numbers that look random and are the same in every run (splitmix64); `salt` tells draws apart.
pub(crate) fn spread(number: u64, salt: u64) -> u64 {
    let mut mixed = number
        .wrapping_mul(31)
        .wrapping_add(salt)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Parts of a system, all that an action can be about.
const AREAS: [&str; 20] = [
    "invoice", "payment", "order", "customer", "contract", "report", "account", "budget", "user",
    "role", "session", "document", "folder", "ticket", "device", "price", "stock", "shipment",
    "campaign", "policy",
];
const VERBS: [&str; 15] = [
    "created", "read", "updated", "deleted", "approved", "rejected", "exported", "imported",
    "shared", "archived", "restored", "assigned", "closed", "opened", "signed",
];
pub(crate) const SEVERITIES: [&str; 5] = ["info", "info", "info", "warning", "error"];
/// Different actors.
const ACTORS: u64 = 20_000;
/// Different words of descriptions.
const WORDS: u64 = 20_000;
/// Words of one description.
const LENGTH: u64 = 10;

fn pick<'a>(from: &[&'a str], drawn: u64) -> &'a str {
    let count = from.len() as u64;
    usize::try_from(drawn % count).map_or("", |at| from[at])
}

pub(crate) fn area(drawn: u64) -> &'static str {
    pick(&AREAS, drawn)
}

pub(crate) fn action(drawn: u64) -> String {
    let verb = pick(&VERBS, drawn / AREAS.len() as u64);
    format!("{}.{verb}", area(drawn))
}

pub(crate) fn severity(drawn: u64) -> &'static str {
    pick(&SEVERITIES, drawn)
}

pub(crate) fn actor(drawn: u64) -> String {
    format!("u-{}", drawn % ACTORS)
}

/// The word of a rank: the most frequent one has rank 0.
pub(crate) fn word(rank: u64) -> String {
    const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvw";
    const VOWELS: &[u8; 5] = b"aeiou";
    let mut word = String::new();
    let mut rest = rank % WORDS;
    while word.len() < 4 || rest > 0 {
        let syllable = usize::try_from(rest % 80).unwrap_or_default();
        word.push(char::from(CONSONANTS[syllable / 5]));
        word.push(char::from(VOWELS[syllable % 5]));
        rest /= 80;
    }
    word
}

/// Ranks as they are in descriptions: that of the most frequent word is in one of 14 entries, one in
/// the middle in one of 3,000.
fn rank(drawn: u64) -> u64 {
    let drawn = drawn % 1_000_000;
    drawn * drawn / (1_000_000_000_000 / WORDS)
}

/// Entries of one partition after the other.
pub(crate) struct Varied {
    number: u64,
    partition: String,
    body: String,
}

impl Varied {
    pub(crate) fn new(partition: &str) -> Self {
        Self {
            number: 0,
            partition: partition.to_owned(),
            body: String::new(),
        }
    }

    /// Goes on in another partition.
    pub(crate) fn enter(&mut self, partition: &str) {
        partition.clone_into(&mut self.partition);
    }

    /// The next entry, as posted.
    pub(crate) fn next(&mut self) -> &str {
        self.number += 1;
        let number = self.number;
        let draw = |salt| spread(number, salt);
        let words: Vec<String> = (10..10 + LENGTH)
            .map(|salt| word(rank(draw(salt))))
            .collect();
        let outcome = if draw(5) % 10 == 0 {
            "failure"
        } else {
            "success"
        };
        let kind = area(draw(1));
        self.body = format!(
            concat!(
                r#"{{"partition":"{partition}","action":"{action}","severity":"{severity}","#,
                r#""actor":{{"type":"user","id":"{actor}","name":"Ada Example","email":"{actor}@example.com"}},"#,
                r#""targets":[{{"type":"{kind}","id":"{kind}-{target}","name":"Number {target}"}}],"#,
                r#""occurred_at":"2026-01-15T10:30:00.123456Z","outcome":{{"status":"{outcome}"}},"#,
                r#""description":"{description}","changes":[{{"field":"status","old":"draft","new":"{word}"}}],"#,
                r#""context":{{"ip":"192.0.{third}.{fourth}","user_agent":"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0","#,
                r#""request_id":"req-{number}"}},"correlation_id":"order-{order}","#,
                r#""labels":{{"region":"eu-central-1","service":"{kind}"}}}}"#,
            ),
            partition = self.partition,
            action = action(draw(1)),
            severity = severity(draw(3)),
            actor = actor(draw(2)),
            kind = kind,
            target = draw(4) % 1_000_000,
            outcome = outcome,
            description = words.join(" "),
            word = words[0],
            third = draw(6) % 40,
            fourth = draw(7) % 250,
            number = number,
            order = number / 4,
        );
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use chain::{Entry, Recorder};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn entries_are_accepted_and_words_are_all_different() {
        let recorder = Recorder {
            kind: "service",
            id: "1",
        };
        let mut varied = Varied::new("default");
        for _ in 0..100 {
            let body = varied.next().to_owned();
            assert!((600..900).contains(&body.len()), "{} bytes", body.len());
            Entry::parse(body.as_bytes(), recorder, Uuid::nil()).unwrap();
        }
        let words: std::collections::HashSet<String> = (0..WORDS).map(word).collect();
        assert_eq!(words.len() as u64, WORDS);
        assert!((0..1_000_000).map(rank).all(|rank| rank < WORDS));
    }
}
