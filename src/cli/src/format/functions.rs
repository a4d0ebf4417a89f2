// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What templates can call: podman's own functions, and those that a rewritten template calls.

use gotmpl::{TemplateError, Value};

use super::moment;
use super::template::{FIELD, FORMAT_TIME, PLAIN, RAW_FIELD, SHOW, SHOW_FIELD, both, walk};

/// Functions of Go's own and of podman's. `and`, `or` and `call` are the executor's.
pub const KNOWN: [&str; 28] = [
    "and", "or", "call", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice", "print", "printf",
    "println", "html", "js", "urlquery", "json", "join", "split", "lower", "upper", "title", "pad", "truncate", "true",
];

/// Adds the functions to a template.
pub fn add(template: gotmpl::Template) -> gotmpl::Template {
    template
        .func(FIELD, |args| walk(args, FIELD))
        .func(SHOW_FIELD, |args| walk(args, SHOW_FIELD))
        .func(RAW_FIELD, |args| walk(args, RAW_FIELD))
        .func(SHOW, |args| match args.last() {
            Some(Value::Nil) | None => Ok(Value::String("<no value>".into())),
            Some(value) => Ok(Value::String(both(value)?.1.into())),
        })
        .func(FORMAT_TIME, |args| {
            let (json, _) = both(args.first().unwrap_or(&Value::Nil))?;
            let shown = moment::formatted(json.trim_matches('"'), text("Format", args, 1)?);
            let no_time = || TemplateError::Exec("can't evaluate field Format: it is no time".to_owned());
            Ok(Value::String(shown.ok_or_else(no_time)?.into()))
        })
        .func(PLAIN, |args| match args.last() {
            Some(value @ (Value::Function(_) | Value::List(_))) => Ok(Value::String(both(value)?.1.into())),
            value => Ok(value.cloned().unwrap_or(Value::Nil)),
        })
        .func("index", |args| {
            let [value, keys @ ..] = args else {
                return Err(TemplateError::Exec("missing argument for index".to_owned()));
            };
            keys.iter().try_fold(value.clone(), |value, key| match (&value, key) {
                // A map of strings answers its zero value, the empty one.
                (Value::Map(map), Value::String(key)) => Ok(match map.get(key.as_ref()) {
                    Some(found) => found.clone(),
                    None if matches!(map.values().next(), None | Some(Value::String(_))) => Value::String("".into()),
                    None => Value::Nil,
                }),
                _ => value.index(key),
            })
        })
        .func("json", |args| Ok(Value::String(both(args.last().unwrap_or(&Value::Nil))?.0.into())))
        .func("lower", |args| Ok(Value::String(text("lower", args, 0)?.to_lowercase().into())))
        .func("upper", |args| Ok(Value::String(text("upper", args, 0)?.to_uppercase().into())))
        .func("title", |args| Ok(Value::String(title(text("title", args, 0)?).into())))
        .func("split", |args| {
            let (whole, separator) = (text("split", args, 0)?, text("split", args, 1)?);
            let parts: Vec<&str> = if separator.is_empty() {
                whole.split("").filter(|part| !part.is_empty()).collect()
            } else {
                whole.split(separator).collect()
            };
            Ok(Value::List(parts.into_iter().map(|part| Value::String(part.into())).collect()))
        })
        .func("join", |args| {
            let Some(Value::List(list)) = args.first() else {
                let got = args.first().map_or("nil", Value::type_name);
                return Err(TemplateError::Exec(format!("wrong type for value; expected []string; got {got}")));
            };
            let items: Vec<String> = list.iter().map(|item| Ok(both(item)?.1)).collect::<Result<_, TemplateError>>()?;
            Ok(Value::String(items.join(text("join", args, 1)?).into()))
        })
        .func("pad", |args| {
            let spaces = |index| args.get(index).and_then(Value::as_int).and_then(|count| usize::try_from(count).ok());
            let inner = text("pad", args, 0)?;
            if inner.is_empty() {
                return Ok(Value::String("".into()));
            }
            let (before, after) = (spaces(1).unwrap_or(0).min(1 << 16), spaces(2).unwrap_or(0).min(1 << 16));
            Ok(Value::String(format!("{}{inner}{}", " ".repeat(before), " ".repeat(after)).into()))
        })
        .func("truncate", |args| {
            let length = args.get(1).and_then(Value::as_int).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
            Ok(Value::String(text("truncate", args, 0)?.chars().take(length).collect::<String>().into()))
        })
}

/// Every word's first letter in upper case.
fn title(text: &str) -> String {
    let mut inside = false;
    text.chars()
        .map(|letter| {
            let first = !std::mem::replace(&mut inside, letter.is_alphanumeric() || letter == '_' || letter == '\'');
            if first { letter.to_uppercase().next().unwrap_or(letter) } else { letter }
        })
        .collect()
}

fn text<'a>(function: &str, args: &'a [Value], index: usize) -> Result<&'a str, TemplateError> {
    match args.get(index) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(TemplateError::Exec(format!(
            "wrong type for value; expected string; got {} (in {function})",
            other.type_name()
        ))),
        None => Err(TemplateError::Exec(format!("wrong number of args for {function}"))),
    }
}
