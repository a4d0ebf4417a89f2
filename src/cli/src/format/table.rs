// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tables: columns at least ten wide and two spaces apart, as Go's `text/tabwriter` is set up by podman.

use std::io::Write as _;

use tabwriter::TabWriter;

/// Lines whose cells are separated by tabs, aligned.
pub fn align(lines: &str) -> String {
    let mut writer = TabWriter::new(Vec::new()).minwidth(10).padding(2);
    let aligned = writer.write_all(lines.as_bytes()).ok().and_then(|()| writer.into_inner().ok());
    aligned.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| lines.to_owned())
}

/// A table: its heading, unless there is to be none, and its rows.
pub fn table(heading: Option<&[&str]>, rows: &[Vec<String>]) -> String {
    let mut lines = String::new();
    if let Some(heading) = heading {
        lines.push_str(&heading.join("\t"));
        lines.push('\n');
    }
    for row in rows {
        lines.push_str(&row.join("\t"));
        lines.push('\n');
    }
    align(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_at_least_ten_wide_and_the_last_is_not_padded() {
        assert_eq!(
            table(
                Some(&["REPOSITORY", "TAG", "SIZE"]),
                &[vec!["localhost:5000/busybox".into(), "latest".into(), "2 MB".into()]]
            ),
            "REPOSITORY              TAG         SIZE\nlocalhost:5000/busybox  latest      2 MB\n"
        );
        assert_eq!(table(Some(&["A", "B"]), &[]), "A           B\n");
        assert_eq!(table(None, &[]), "");
    }
}
