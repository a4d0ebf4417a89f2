// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The words of a Containerfile's instruction: their quotes, and variables of which none is set.

/// Why a word is none; in the words of those that Podman says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WordError {
    /// It ends before its quote.
    #[error("unexpected end of statement while looking for matching {0}-quote")]
    Quote(&'static str),
    /// A variable in braces that is followed by something else than what may be.
    #[error("Missing ':' or '#' or '%' or '/' in substitution: {0}")]
    Substitution(String),
    /// A variable that has to be set (`${NAME:?why}`).
    #[error("{name}: {why}")]
    Unset { name: String, why: String },
}

/// Splits at spaces that are not in quotes and have no backslash before them. The words stay as they are written.
pub(super) fn split(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quote, mut escaped) = (None, None, false);
    for (at, letter) in text.char_indices() {
        match quote {
            None if letter.is_whitespace() && !escaped => {
                words.extend(start.take().map(|start| &text[start..at]));
                continue;
            }
            None if (letter == '\'' || letter == '"') && !escaped => quote = Some(letter),
            Some(open) if letter == open && !escaped => quote = None,
            _ => {}
        }
        escaped = letter == '\\' && !escaped && quote != Some('\'');
        start.get_or_insert(at);
    }
    words.extend(start.map(|start| &text[start..]));
    words
}

/// What a word says: without its quotes, with nothing for each variable.
pub(super) fn plain(text: &str) -> Result<String, WordError> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\'' => {
                let (quoted, after) = rest.split_once('\'').ok_or(WordError::Quote("single"))?;
                plain.push_str(quoted);
                rest = after;
            }
            '"' => rest = quoted(rest, &mut plain)?,
            '\\' => {
                let next = rest.chars().next();
                plain.extend(next);
                rest = &rest[next.map_or(0, char::len_utf8)..];
            }
            '$' => rest = variable(rest, &mut plain)?,
            letter => plain.push(letter),
        }
    }
    Ok(plain)
}

/// What is between double quotes, of which the first has been read; what comes after the second.
fn quoted<'a>(text: &'a str, plain: &mut String) -> Result<&'a str, WordError> {
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '"' => return Ok(rest),
            '$' => rest = variable(rest, plain)?,
            '\\' => {
                let next = rest.chars().next().ok_or(WordError::Quote("double"))?;
                if !matches!(next, '"' | '$' | '\\') {
                    plain.push('\\');
                }
                plain.push(next);
                rest = &rest[next.len_utf8()..];
            }
            letter => plain.push(letter),
        }
    }
    Err(WordError::Quote("double"))
}

/// A variable whose dollar sign has been read; what comes after it.
fn variable<'a>(text: &'a str, plain: &mut String) -> Result<&'a str, WordError> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let Some(braced) = text.strip_prefix('{') else {
        let name = text.find(|letter| !is_name(letter)).unwrap_or(text.len());
        if name == 0 {
            plain.push('$');
        }
        return Ok(&text[name..]);
    };
    let wrong = || WordError::Substitution(format!("${text}"));
    let (name, rest) = braced.split_at(braced.find(|letter| !is_name(letter)).ok_or_else(wrong)?);
    if let Some(rest) = rest.strip_prefix('}') {
        return Ok(rest);
    }
    let end = closing(rest).ok_or_else(wrong)?;
    let (operation, after) = (&rest[..end], &rest[end + 1..]);
    // With a colon an empty variable is as good as none: here that makes no difference.
    let bare = operation.strip_prefix(':').unwrap_or(operation);
    match bare.chars().next() {
        Some('-') => plain.push_str(&self::plain(&bare[1..])?),
        Some('+') => {}
        Some('?') => return Err(WordError::Unset { name: name.to_owned(), why: self::plain(&bare[1..])? }),
        // Parts of nothing.
        Some('#' | '%' | '/') if bare.len() == operation.len() => {}
        _ => return Err(wrong()),
    }
    Ok(after)
}

/// Where the brace is that closes what began before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_u32;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_spaces_outside_of_quotes() {
        assert_eq!(split(" a=\"b c\" d\\ e  'f g'h "), ["a=\"b c\"", "d\\ e", "'f g'h"]);
        assert!(split("  ").is_empty());
    }

    #[test]
    fn quotes_are_taken_away_and_variables_are_nothing() {
        for (text, expected) in [
            ("a\"b $c d\"'e $f'", "ab  de $f"),
            ("\\$x \\a", "$x a"),
            ("\"\\a\\\"\\$\"", "\\a\"$"),
            ("$a-${b}-$", "--$"),
            ("${x:-d e}${x-f}${x:+g}${x:-${y:-h}}", "d efh"),
            ("${x#a}|${x%a}|${x/a/b}", "||"),
        ] {
            assert_eq!(plain(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(plain("${q"), Err(WordError::Substitution("${q".to_owned())));
        assert_eq!(plain("${q!}"), Err(WordError::Substitution("${q!}".to_owned())));
        assert_eq!(plain("'a"), Err(WordError::Quote("single")));
        assert_eq!(plain("${q:?no}").unwrap_err().to_string(), "q: no");
    }
}
