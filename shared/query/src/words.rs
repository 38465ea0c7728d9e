//! Words: how text becomes tokens. The index, the query and the scan of the ledger all use this one
//! tokeniser, so that they answer alike; a change here needs every index built anew, which `search::FORM` is for.
//!
//! A word is a run of letters and digits in lower case, without diacritics where Latin letters have
//! them; everything else separates words. Scripts that write no spaces give one word a character.

use std::ops::RangeInclusive;

/// Characters of a word that count: longer words are told apart by these.
pub const MAX_WORD: usize = 64;

/// Base letters of U+00E0 to U+017F; what has none stands as it is.
const LATIN: &str = "aaaaaaæceeeeiiiiðnooooo÷ouuuuyþyaaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiii\
iiĳĳjjkkĸllllllllllnnnnnnnŋŋooooooœœrrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/// Written without spaces: Thai to Myanmar, Khmer, kana, Han and their extensions.
const UNSPACED: [RangeInclusive<char>; 7] = [
    '\u{0e00}'..='\u{0eff}',
    '\u{1000}'..='\u{109f}',
    '\u{1780}'..='\u{17ff}',
    '\u{3040}'..='\u{30ff}',
    '\u{3400}'..='\u{9fff}',
    '\u{f900}'..='\u{faff}',
    '\u{20000}'..='\u{3ffff}',
];

/// Calls `word` for each word of the text, in order. The word is borrowed, from a buffer where the text has it in
/// another form.
pub fn each_word(text: &str, buffer: &mut String, mut word: impl FnMut(&str)) {
    buffer.clear();
    let (mut length, mut rest) = (0, text);
    loop {
        let plain = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let (run, after) = rest.split_at(plain);
        // Most words stand there as they are.
        let is_whole = length == 0 && after.bytes().next().is_none_or(|byte| byte.is_ascii());
        if is_whole
            && (1..=MAX_WORD).contains(&plain)
            && !run.bytes().any(|b| b.is_ascii_uppercase())
        {
            word(run);
            rest = after.get(1..).unwrap_or_default();
            continue;
        }
        let before = buffer.len();
        buffer.push_str(&run[..plain.min(MAX_WORD.saturating_sub(length))]);
        buffer[before..].make_ascii_lowercase();
        length += plain;
        let mut chars = after.chars();
        let Some(char) = chars.next() else { break };
        rest = chars.as_str();
        if char.is_ascii() || !(char.is_alphanumeric() || is_mark(char)) {
            end(buffer, &mut length, &mut word);
        } else if UNSPACED.iter().any(|range| range.contains(&char)) {
            end(buffer, &mut length, &mut word);
            buffer.push(char);
            end(buffer, &mut length, &mut word);
        } else {
            for lower in char.to_lowercase().filter(|char| !is_mark(*char)) {
                if length < MAX_WORD {
                    buffer.push(folded(lower));
                }
                length += 1;
            }
        }
    }
    end(buffer, &mut length, &mut word);
}

/// The words of the text.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each_word(text, &mut String::new(), |word| words.push(word.to_owned()));
    words
}

fn end(buffer: &mut String, length: &mut usize, word: &mut impl FnMut(&str)) {
    if !buffer.is_empty() {
        word(buffer);
        buffer.clear();
    }
    *length = 0;
}

/// Combining diacritical marks belong to the letter before and are left out with it.
fn is_mark(char: char) -> bool {
    ('\u{0300}'..='\u{036f}').contains(&char)
}

fn folded(char: char) -> char {
    match char {
        '\u{00e0}'..='\u{017f}' => {
            let place = char as usize - 0xe0;
            LATIN.chars().nth(place).unwrap_or(char)
        }
        'ς' => 'σ',
        other => other,
    }
}
