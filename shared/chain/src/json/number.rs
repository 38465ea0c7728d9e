//! Numbers: their RFC 8785 text where it keeps their value, and integers by value. Never rounds silently.

/// Longest run of digits that a double always keeps.
const EXACT_DIGITS: usize = 15;

/// Appends the canonical text of a JSON number: its RFC 8785 text where that has the same decimal value, otherwise the
/// string of its exact characters (format §1).
pub(crate) fn push(out: &mut String, characters: &str) {
    if is_short_integer(characters) {
        out.push_str(characters);
        return;
    }
    let value: f64 = characters.parse().unwrap_or(f64::NAN);
    if value.is_finite() {
        let mut buffer = ryu_js::Buffer::new();
        let text = buffer.format_finite(value);
        if Decimal::of(text) == Decimal::of(characters) {
            out.push_str(text);
            return;
        }
    }
    out.push('"');
    out.push_str(characters);
    out.push('"');
}

/// An integer that is written as RFC 8785 writes it.
fn is_short_integer(characters: &str) -> bool {
    let digits = characters.strip_prefix('-').unwrap_or(characters);
    digits.len() <= EXACT_DIGITS
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && characters != "-0"
}

/// The number as an integer from 0 on, by value (`1.0` and `1e0` are 1); `None` when it is not one or above `max`.
pub(crate) fn integer(characters: &str, max: u64) -> Option<u64> {
    let decimal = Decimal::of(characters);
    if decimal.is_zero() {
        return Some(0);
    }
    if decimal.negative || !(0..=20).contains(&decimal.exponent) {
        return None;
    }
    let mut value: u64 = 0;
    let zeros = usize::try_from(decimal.exponent).ok()?;
    for digit in decimal.digits().chain(std::iter::repeat_n(b'0', zeros)) {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
    }
    (value <= max).then_some(value)
}

/// A number as sign, significant digits (no zeros at either end) and power of ten. Compares by value; borrows its
/// digits, since there may be millions.
struct Decimal<'a> {
    negative: bool,
    /// Characters from the first to the last significant digit, a point among them or not.
    significant: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Of the characters of a JSON number.
    fn of(characters: &'a str) -> Self {
        let (negative, rest) = match characters.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, characters),
        };
        let (mantissa, power) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], power(&rest[at + 1..])),
            None => (rest, 0),
        };
        let mantissa = mantissa.as_bytes();
        let significant = |byte: &u8| matches!(byte, b'1'..=b'9');
        let (Some(first), Some(last)) = (
            mantissa.iter().position(significant),
            mantissa.iter().rposition(significant),
        ) else {
            return Self {
                negative: false,
                significant: &[],
                exponent: 0,
            };
        };
        let point = mantissa
            .iter()
            .position(|&byte| byte == b'.')
            .unwrap_or(mantissa.len());
        // Digits between the last significant one and the point; negative behind the point.
        let shift = if last < point {
            signed(point - last - 1)
        } else {
            -signed(last - point)
        };
        Self {
            negative,
            significant: &mantissa[first..=last],
            exponent: power.saturating_add(shift),
        }
    }

    fn is_zero(&self) -> bool {
        self.significant.is_empty()
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.significant
            .iter()
            .copied()
            .filter(|&byte| byte != b'.')
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.negative == other.negative
            && self.exponent == other.exponent
            && self.digits().eq(other.digits())
    }
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Exponent of a JSON number. Beyond 10^18 the exact value no longer matters: no double comes near.
fn power(text: &str) -> i64 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = digits.bytes().fold(0_i64, |value, digit| {
        (value * 10 + i64::from(digit - b'0')).min(1_000_000_000_000_000_000 / 10)
    });
    if negative { -magnitude } else { magnitude }
}
