// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The words of a value: split at white space, with the quotes and escapes of systemd.syntax(7), "Quoting".

use std::fmt;

/// A word of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Without its quotes, with its escapes resolved.
    pub text: String,
    /// Where in the value it begins, in bytes.
    pub offset: usize,
}

/// The words of a value, and where its quoting is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// In order.
    pub words: Vec<Word>,
    /// Where a quote begins that does not end: it is taken to end with the value.
    pub open_quote: Option<usize>,
    /// Where escapes are that mean nothing: they are left as they are.
    pub unknown_escapes: Vec<usize>,
}

/// Splits a value into words.
pub fn split(value: &str) -> Words {
    let mut found = Words::default();
    let mut word: Option<Word> = None;
    let mut quote: Option<(char, usize)> = None;
    let mut at = 0;
    while let Some(char) = value[at..].chars().next() {
        let offset = at;
        at += char.len_utf8();
        let blank = char.is_ascii_whitespace();
        if blank && quote.is_none() {
            found.words.extend(word.take());
            continue;
        }
        let text = &mut word.get_or_insert(Word { text: String::new(), offset }).text;
        match (char, quote) {
            (mark, Some((open, _))) if mark == open => quote = None,
            ('"' | '\'', None) => quote = Some((char, offset)),
            ('\\', _) => {
                if let Some((meant, length)) = escape(&value[at..]) {
                    text.push(meant);
                    at += length;
                } else {
                    found.unknown_escapes.push(offset);
                    text.push('\\');
                }
            }
            _ => {
                // All that means itself at once.
                let plain = |byte: &u8| !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'' | b'\\');
                at += value.as_bytes()[at..].iter().take_while(|byte| plain(byte)).count();
                text.push_str(&value[offset..at]);
            }
        }
    }
    found.words.extend(word);
    found.open_quote = quote.map(|(_, offset)| offset);
    found
}

/// What the escape after a backslash means, and its length without the backslash.
fn escape(rest: &str) -> Option<(char, usize)> {
    let first = rest.chars().next()?;
    let simple = match first {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        's' => ' ',
        '\\' | '"' | '\'' | ';' => first,
        'x' => return number(rest.get(1..3)?, 16, 3),
        'u' => return number(rest.get(1..5)?, 16, 5),
        'U' => return number(rest.get(1..9)?, 16, 9),
        '0'..='7' => return number(rest.get(..3)?, 8, 3),
        _ => return None,
    };
    Some((simple, 1))
}

/// The character of a number; none for zero, which no argument can hold, nor for half of a longer one.
fn number(digits: &str, radix: u32, length: usize) -> Option<(char, usize)> {
    let all_digits = digits.chars().all(|digit| digit.is_digit(radix));
    let number = u32::from_str_radix(digits, radix).ok().filter(|number| all_digits && *number != 0)?;
    Some((char::from_u32(number)?, length))
}

/// A word as it is written in a command line of a unit (systemd.service(5), "Command lines"), so that it is one word there.
/// `$` and `%` are left as they are: whoever wrote them means systemd's variables and specifiers.
pub fn quote(word: &str) -> String {
    let mut quoted = String::with_capacity(word.len() + 2);
    // A String takes whatever is written.
    let _ = write_quoted(word, &mut quoted);
    quoted
}

/// Writes what [`quote`] answers.
pub(crate) fn write_quoted(word: &str, to: &mut impl fmt::Write) -> fmt::Result {
    if word == ";" {
        // By itself it would end the command.
        return to.write_str(r"\;");
    }
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !word.is_empty() && word.as_bytes().iter().all(is_plain) {
        return to.write_str(word);
    }
    let plain = |char: char| !char.is_whitespace() && !char.is_control() && !matches!(char, '"' | '\'' | '\\');
    if !word.is_empty() && word.chars().all(plain) {
        return to.write_str(word);
    }
    to.write_char('"')?;
    for char in word.chars() {
        match char {
            '"' | '\\' => write!(to, "\\{char}")?,
            '\n' => to.write_str("\\n")?,
            '\t' => to.write_str("\\t")?,
            '\r' => to.write_str("\\r")?,
            // By its number.
            _ if char.is_control() => write!(to, "\\u{:04x}", u32::from(char))?,
            _ => to.write_char(char)?,
        }
    }
    to.write_char('"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(value: &str) -> Vec<String> {
        split(value).words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_end_at_white_space_outside_quotes() {
        assert_eq!(texts("  a 'b \"c\"' \"d 'e\" f'g h'i  "), ["a", "b \"c\"", "d 'e", "fg hi"]);
        assert_eq!(texts("a \"\" ''"), ["a", "", ""]);
        assert_eq!(texts(""), Vec::<String>::new());
    }

    #[test]
    fn escapes_mean_what_they_mean_to_systemd() {
        assert_eq!(texts(r"\x41\102\u00e9\U0001F980 a\sb \t\\\'"), ["ABé🦀", "a b", "\t\\'"]);
        let odd = split(r"a\q \x4 \u12 \000 b\");
        assert_eq!(odd.words.len(), 5);
        assert_eq!(odd.words[0].text, r"a\q");
        assert_eq!(odd.unknown_escapes, [1, 4, 8, 13, 19]);
    }

    #[test]
    fn a_quote_that_does_not_end_ends_with_the_value() {
        let words = split("a \"b c");
        assert_eq!(words.words[1].text, "b c");
        assert_eq!(words.open_quote, Some(2));
        assert_eq!(words.words[1].offset, 2);
    }

    #[test]
    fn a_semicolon_is_no_end_of_the_command() {
        assert_eq!(quote(";"), r"\;");
        assert_eq!(quote("a;"), "a;");
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_one_word_and_the_same(word in "[^\0]{0,20}") {
            prop_assume!(word != ";");
            prop_assert_eq!(texts(&quote(&word)), [word]);
        }

        #[test]
        fn nothing_makes_it_panic(value in "\\PC*[\\\\\"'xuU0-9 ]{0,30}") {
            split(&value);
        }
    }
}
