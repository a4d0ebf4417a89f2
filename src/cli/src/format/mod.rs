// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--format`: JSON, a Go template a row, or a Go template a row in a table with a heading.

pub mod data;
mod functions;
mod moment;
pub mod table;
pub mod template;

use std::collections::BTreeMap;

pub use data::{Data, Struct};
pub use template::Template;

/// What a user asked for by `--format`.
pub enum Format {
    /// `json`.
    Json,
    /// A template.
    Template {
        /// Whether rows are aligned below a heading (`table …`).
        table: bool,
        /// The template over the list of rows.
        text: String,
    },
}

impl Format {
    /// Reads a user's `--format`.
    pub fn parse(format: &str) -> Self {
        if format.trim() == "json" {
            return Self::Json;
        }
        let (table, text) = match format.strip_prefix("table ") {
            // Every space is a column's end, as podman has it.
            Some(text) => (true, text.replace(' ', "\t")),
            None => (false, format.to_owned()),
        };
        let mut text = text.replace("\\t", "\t").replace("\\n", "\n");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        if !ranges_itself(&text) {
            text = format!("{{{{range .}}}}{text}{{{{end -}}}}");
        }
        Self::Template { table, text }
    }
}

/// Whether a template goes through the rows itself: `{{range .}}`.
fn ranges_itself(text: &str) -> bool {
    text.split("{{").skip(1).any(|action| {
        let action = action.split("}}").next().unwrap_or("");
        let mut words = action.trim_matches('-').split_whitespace();
        (words.next(), words.next(), words.next()) == (Some("range"), Some("."), None)
    })
}

/// What a list prints in the format that was asked for; nothing when none was, and the verb has a table of its own.
pub fn list(
    format: Option<&str>,
    rows: impl Iterator<Item = Data>,
    headings: Option<&[(&'static str, &'static str)]>,
) -> Result<Option<String>, template::Error> {
    list_of("ls", format, rows, headings)
}

/// The same of a verb that errors are to name.
pub fn list_of(
    verb: &str,
    format: Option<&str>,
    rows: impl Iterator<Item = Data>,
    headings: Option<&[(&'static str, &'static str)]>,
) -> Result<Option<String>, template::Error> {
    match format.map(Format::parse) {
        None => Ok(None),
        Some(Format::Json) => {
            let all = serde_json::Value::Array(rows.map(|row| row.json()).collect());
            Ok(Some(data::print_json(&all, "  ") + "\n"))
        }
        Some(Format::Template { table, text }) => {
            render(verb, table, &text, rows.collect::<Vec<_>>(), headings).map(Some)
        }
    }
}

/// What a template prints of `data`, the list of rows or the one thing there is: `verb` names it in errors, `headings` are the words above the columns that have any.
pub fn render(
    verb: &str,
    table: bool,
    text: &str,
    data: impl Into<Data>,
    headings: Option<&[(&'static str, &'static str)]>,
) -> Result<String, template::Error> {
    let template = Template::parse(verb, text)?;
    let mut lines = String::new();
    if let Some(headings) = headings.filter(|_| table) {
        let heading: BTreeMap<String, Data> =
            headings.iter().map(|&(field, heading)| (field.to_owned(), heading.into())).collect();
        lines.push_str(&template.execute(&vec![Data::from(heading)].into())?);
    }
    lines.push_str(&template.execute(&data.into())?);
    Ok(if table { table::align(&lines) } else { lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: &str) -> String {
        let rows = ["a", "bb"]
            .map(|id| Data::from(Struct::of("row").with("ID", id).with("Names", "x").with("List", vec![1, 2])));
        match Format::parse(format) {
            Format::Json => "json".to_owned(),
            Format::Template { table, text } => {
                render("ps", table, &text, rows.to_vec(), Some(&[("ID", "CONTAINER ID"), ("Names", "NAMES")])).unwrap()
            }
        }
    }

    #[test]
    fn a_template_is_for_a_row_unless_it_ranges_itself() {
        assert_eq!(shown("{{.ID}}"), "a\nbb\n");
        assert_eq!(shown(r"{{.ID}}\t{{.Names}}\n"), "a\tx\nbb\tx\n");
        assert_eq!(shown(" {{.ID}}"), " a\n bb\n");
        assert_eq!(shown("{{range .}}{{.ID}};{{end}}"), "a;bb;\n");
        assert_eq!(shown("{{- range . -}}{{.ID}};{{end}}"), "a;bb;\n");
        assert_eq!(shown("{{range .List}}{{.}};{{end}}"), "1;2;\n1;2;\n");
        assert_eq!(shown(""), "\n\n");
        assert_eq!(shown(" json "), "json");
        assert_eq!(shown("table"), "table\ntable\n");
    }

    #[test]
    fn a_table_has_a_heading_and_aligned_columns() {
        assert_eq!(shown(r"table {{.ID}}\t{{.Names}}"), "CONTAINER ID  NAMES\na             x\nbb            x\n");
        assert_eq!(shown("table {{.ID}} {{.Names}}"), "CONTAINER ID  NAMES\na             x\nbb            x\n");
    }
}
