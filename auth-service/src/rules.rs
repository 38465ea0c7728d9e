//! What names, addresses, passwords and tenant codes may look like; each check names the member it refuses.
//! Pure. A text that passes can be stored: no control character, no U+0000.

use service::Place;

/// Codes that would read as ours, or as an address of the installation.
const RESERVED_CODES: [&str; 32] = [
    "account",
    "admin",
    "anonymous",
    "api",
    "app",
    "auditor",
    "auth",
    "default",
    "docs",
    "health",
    "internal",
    "livez",
    "localhost",
    "log",
    "logs",
    "metrics",
    "none",
    "null",
    "oauth",
    "operator",
    "platform",
    "public",
    "readyz",
    "root",
    "security",
    "service",
    "static",
    "status",
    "support",
    "system",
    "veritrail",
    "www",
];

/// Words that a password must not consist of, digits and marks around them aside.
const COMMON_WORDS: [&str; 24] = [
    "password",
    "passwort",
    "passw0rd",
    "p@ssw0rd",
    "qwerty",
    "qwertyuiop",
    "qwertzuiop",
    "azerty",
    "letmein",
    "welcome",
    "iloveyou",
    "administrator",
    "admin",
    "changeme",
    "secret",
    "default",
    "veritrail",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "princess",
    "sunshine",
    "master",
];

const PASSWORD_MIN: usize = 12;
const PASSWORD_MAX: usize = 128;

/// Collects what is wrong, so that a client learns of everything at once.
#[derive(Default)]
pub(crate) struct Faults(Vec<Place>);

impl Faults {
    pub(crate) fn add(&mut self, path: &str, message: &str) {
        self.0.push(Place::new(path, message));
    }

    pub(crate) fn finish(self) -> Result<(), service::ApiError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(service::ApiError::Invalid(self.0))
        }
    }

    /// A tenant's code: 3–15, `[a-z0-9]+(-[a-z0-9]+)*`, not reserved.
    pub(crate) fn code(&mut self, path: &str, code: &str) {
        if !is_code(code) {
            self.add(
                path,
                "must be 3 to 15 of a-z, 0-9 and single hyphens between them",
            );
        } else if RESERVED_CODES.contains(&code) {
            self.add(path, "is reserved");
        }
    }

    /// 2–64 of letters, digits, `.`, `_`, `-`, beginning with a letter or digit. Never an e-mail address, so a login name is one or the other.
    pub(crate) fn username(&mut self, path: &str, username: &str) {
        if !is_username(username) {
            self.add(
                path,
                "must be 2 to 64 ASCII letters, digits, dots, underscores and hyphens, beginning with a letter or digit",
            );
        }
    }

    pub(crate) fn email(&mut self, path: &str, email: &str) {
        if !is_email(email) {
            self.add(path, "must be an e-mail address in ASCII, at most 254 long");
        }
    }

    /// Text for people: 1 to `max` characters, none of them control characters.
    pub(crate) fn text(&mut self, path: &str, text: &str, max: usize) {
        if text.trim().is_empty() || text.chars().count() > max {
            self.add(path, &format!("must have 1 to {max} characters"));
        } else if text.chars().any(char::is_control) {
            self.add(path, "must not have control characters");
        }
    }

    /// NIST SP 800-63B: length and no obvious choice, no rules of composition.
    pub(crate) fn password(&mut self, path: &str, password: &str, about: &[&str]) {
        let length = password.chars().count();
        if !(PASSWORD_MIN..=PASSWORD_MAX).contains(&length) {
            self.add(path, "must have 12 to 128 characters");
        } else if is_obvious(password, about) {
            self.add(path, "is too easy to guess");
        }
    }
}

pub(crate) fn is_code(code: &str) -> bool {
    (3..=15).contains(&code.len())
        && code.split('-').all(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

pub(crate) fn is_username(username: &str) -> bool {
    (2..=64).contains(&username.len())
        && username.starts_with(|first: char| first.is_ascii_alphanumeric())
        && username
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

pub(crate) fn is_email(email: &str) -> bool {
    let Some((local, domain)) = email.split_once('@') else {
        return false;
    };
    email.len() <= 254
        && (1..=64).contains(&local.len())
        && local
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&byte))
        && is_domain(domain)
}

/// At least two labels of letters, digits and inner hyphens.
pub(crate) fn is_domain(domain: &str) -> bool {
    domain.len() <= 253
        && domain.contains('.')
        && domain.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// Few different characters, a run of neighbours, a common word with decoration, or what anybody knows about the account.
fn is_obvious(password: &str, about: &[&str]) -> bool {
    let lower = password.to_lowercase();
    let mut different: Vec<char> = lower.chars().collect();
    different.sort_unstable();
    different.dedup();
    let codes: Vec<i64> = lower.chars().map(|c| i64::from(u32::from(c))).collect();
    let neighbours = codes
        .windows(2)
        .filter(|pair| (pair[1] - pair[0]).abs() <= 1)
        .count();
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    different.len() < 5
        || neighbours * 4 >= codes.len() * 3
        || COMMON_WORDS.contains(&core)
        || COMMON_WORDS.iter().any(|word| repeats(&lower, word))
        || about.iter().any(|known| {
            let known = known.to_lowercase();
            known.len() >= 3 && (core == known || lower == known || repeats(&lower, &known))
        })
}

/// Whether the text is a word over and over.
fn repeats(text: &str, word: &str) -> bool {
    text.replace(word, "").is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for good in ["abc", "a-b", "a-b-c", "acme-eu", "0123456789abcde"] {
            assert!(is_code(good), "{good}");
        }
        for bad in [
            "",
            "ab",
            "Abc",
            "a--b",
            "-ab",
            "ab-",
            "a_b",
            "0123456789abcdef",
            "äbc",
            "a\0b",
        ] {
            assert!(!is_code(bad), "{bad}");
        }
        assert!(RESERVED_CODES.iter().all(|code| is_code(code)));
    }

    #[test]
    fn a_name_is_never_an_address() {
        for name in ["jo", "Jo.Doe-1", "0x_"] {
            assert!(is_username(name) && !is_email(name), "{name}");
        }
        for address in ["jo@example.com", "a+b@x.co", "O'Neil@mail.example.org"] {
            assert!(is_email(address) && !is_username(address), "{address}");
        }
        for neither in [
            "",
            "j",
            ".jo",
            "jo doe",
            "jo@",
            "@x.de",
            "jo@localhost",
            "jo@a@b.de",
            "jo\0",
        ] {
            assert!(!is_username(neither) && !is_email(neither), "{neither}");
        }
    }

    #[test]
    fn passwords() {
        let refused = |password: &str| {
            let mut faults = Faults::default();
            faults.password("/password", password, &["jo.doe.berlin", "acme"]);
            faults.finish().is_err()
        };
        for good in [
            "correct horse",
            "x7$kk2-Tq9!mZ",
            "Füße überall hier",
            "\0binary is fine\u{1}",
        ] {
            assert!(!refused(good), "{good}");
        }
        let long = "ab cd ef ".repeat(15);
        for bad in [
            "short",
            "aaaaaaaaaaaa",
            "123456789012",
            "abcdefghijklmnop",
            "Password1234!",
            "acmeacmeacme",
            "jo.doe.berlin",
            "JO.DOE.BERLIN1",
            "administrator99",
            &long,
        ] {
            assert!(refused(bad), "{bad}");
        }
    }
}
