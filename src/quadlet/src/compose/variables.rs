// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Variables in a Compose file: `$NAME`, `${NAME:-default}` (Compose Specification, "Interpolation").

use serde_json::Value;

use super::{ComposeError, malformed};

/// Puts what the variables say into every text below `value`.
pub(super) fn fill_in(value: &mut Value, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), ComposeError> {
    match value {
        Value::String(text) if text.contains('$') => *text = filled(text, variable)?,
        Value::Array(list) => list.iter_mut().try_for_each(|value| fill_in(value, variable))?,
        Value::Object(map) => map.values_mut().try_for_each(|value| fill_in(value, variable))?,
        _ => {}
    }
    Ok(())
}

fn filled(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, ComposeError> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
        } else if let Some(inner) = after.strip_prefix('{') {
            let Some((inner, after)) = braced(inner) else {
                return Err(malformed(&format!("${{{inner}"), "a variable: its brace does not end"));
            };
            filled.push_str(&expanded(inner, variable)?);
            rest = after;
        } else {
            let end = after.find(|char: char| !is_of_name(char)).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            match name {
                "" => filled.push('$'),
                name => filled.push_str(&variable(name).unwrap_or_default()),
            }
            rest = after;
        }
    }
    Ok(filled + rest)
}

/// What stands before the brace that ends this, and after it: others may stand between.
fn braced(text: &str) -> Option<(&str, &str)> {
    let mut open = 1;
    for (at, char) in text.char_indices() {
        match char {
            '{' if text[..at].ends_with('$') => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

/// What stands between braces. What is put in the place of a variable may have variables itself.
fn expanded(inner: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, ComposeError> {
    let end = inner.find(|char: char| !is_of_name(char)).unwrap_or(inner.len());
    let (name, operation) = inner.split_at(end);
    let value = variable(name);
    // With a colon an empty value is as good as none.
    let (value, operation) = match operation.strip_prefix(':') {
        Some(operation) => (value.filter(|value| !value.is_empty()), operation),
        None => (value, operation),
    };
    let word = operation.get(1..).unwrap_or_default();
    match (operation.chars().next(), value) {
        (Some('+'), Some(_)) | (Some('-'), None) => filled(word, variable),
        (Some('+') | None, None) => Ok(String::new()),
        (Some('-' | '?') | None, Some(value)) => Ok(value),
        (Some('?'), None) => {
            let message = filled(word, variable)?;
            Err(ComposeError::Variable { name: name.to_owned(), message })
        }
        (Some(_), _) => {
            Err(ComposeError::Malformed { place: format!("${{{inner}}}"), what: "it is no variable".to_owned() })
        }
    }
}

fn is_of_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}
