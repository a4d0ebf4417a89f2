// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One line of comma-separated values (RFC 4180): a field in quotes may contain commas, and quotes when they are doubled.

/// Why a line is none; in the words of Go's `encoding/csv`, as Podman says them. Columns are bytes, from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// A quote amid a field that does not begin with one.
    #[error("parse error on line 1, column {column}: bare \" in non-quoted-field")]
    Bare { column: usize },
    /// A quote is missing, or there is something after the one that ends a field.
    #[error("parse error on line 1, column {column}: extraneous or missing \" in quoted-field")]
    Quoted { column: usize },
}

/// The line's fields; of an empty one there is one, which is empty.
pub fn fields(line: &str) -> Result<Vec<String>, CsvError> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let column = line.len() - rest.len() + 1;
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted, column + 1)?,
            None => bare_field(rest, column)?,
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// A field as it is, and what comes after its comma.
fn bare_field(text: &str, column: usize) -> Result<(String, Option<&str>), CsvError> {
    let (field, after) = text.split_once(',').map_or((text, None), |(field, after)| (field, Some(after)));
    match field.find('"') {
        Some(at) => Err(CsvError::Bare { column: column + at }),
        None => Ok((field.to_owned(), after)),
    }
}

/// A field whose first quote has been read, and what comes after its comma.
fn quoted_field(text: &str, column: usize) -> Result<(String, Option<&str>), CsvError> {
    let (mut field, mut rest) = (String::new(), text);
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Err(CsvError::Quoted { column: column + text.len() });
        };
        field.push_str(part);
        if let Some(after) = after.strip_prefix('"') {
            field.push('"');
            rest = after;
        } else if after.is_empty() {
            return Ok((field, None));
        } else if let Some(after) = after.strip_prefix(',') {
            return Ok((field, Some(after)));
        } else {
            return Err(CsvError::Quoted { column: column + text.len() - after.len() - 1 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_in_quotes_has_commas_and_quotes() {
        for (line, expected) in [
            ("", vec![""]),
            ("a,b=c,", vec!["a", "b=c", ""]),
            ("type=bind,\"src=/a,b\",dst=/c", vec!["type=bind", "src=/a,b", "dst=/c"]),
            ("\"a \"\"b\"\"\"", vec!["a \"b\""]),
            ("\"\",x", vec!["", "x"]),
        ] {
            assert_eq!(fields(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn a_quote_that_is_missing_or_too_many_is_pointed_at() {
        assert_eq!(fields("type=bind,src=\"/etc\",dst=/x"), Err(CsvError::Bare { column: 15 }));
        assert_eq!(fields("type=bind,\"src=/etc,dst=/x"), Err(CsvError::Quoted { column: 27 }));
        assert_eq!(fields("\"a\"b"), Err(CsvError::Quoted { column: 3 }));
    }

    #[test]
    fn whatever_is_written_it_is_fields_or_refused() {
        haulout_fuzz::feed_text("csv", |text| {
            let _ = fields(text);
        });
    }
}
