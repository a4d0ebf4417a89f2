// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where in a settings file something is wrong.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// A line and a column, both counted from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// The place of byte `offset` of `text`.
    pub fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// Where an error of the TOML reader's is.
    pub fn of_error(text: &str, error: &toml::de::Error) -> Self {
        Self::of(text, error.span().map_or(0, |span| span.start))
    }

    /// Where the value of the key is to which `path` leads (`["engine", "runtime"]`); the beginning when it is not there.
    pub fn of_key(text: &str, path: &[&str]) -> Self {
        Self::of(text, span_of(text, path).map_or(0, |span| span.start))
    }
}

fn span_of(text: &str, path: &[&str]) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let (first, rest) = path.split_first()?;
    let mut value = document.get_ref().get(*first)?;
    for key in rest {
        let DeValue::Table(table) = value.get_ref() else { return None };
        value = table.get(*key)?;
    }
    Some(value.span())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_the_path_of_its_key() {
        let text = "[engine]\nx = 1\n  runtime  =  'ü'\n[containers]\na = ['ü', 1]\n";
        assert_eq!(Place::of_key(text, &["engine", "runtime"]), Place { line: 3, column: 15 });
        assert_eq!(Place::of_key(text, &["containers", "a"]), Place { line: 5, column: 5 });
        assert_eq!(Place::of_key(text, &["containers", "b"]), Place { line: 1, column: 1 });
    }
}
