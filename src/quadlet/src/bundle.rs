// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `.quadlets` files: several units in one, between lines `---`, each with a comment `# FileName=NAME`.

use crate::kind::{Kind, UnitName};

/// A unit of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its name, when the bundle says one and it has a section of a kind.
    pub name: Option<UnitName>,
    /// What it says.
    pub text: &'a str,
    /// The line of the bundle that it begins at, counted from 1.
    pub first_line: usize,
}

/// The units of a bundle; parts that say nothing are none.
pub fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut start, mut first_line, mut offset) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_end() == "---" {
            parts.push((&text[start..offset], first_line));
            (start, first_line) = (offset + line.len(), index + 2);
        }
        offset += line.len();
    }
    parts.push((&text[start..], first_line));
    let said = parts.into_iter().filter(|(text, _)| !text.trim().is_empty());
    said.map(|(text, first_line)| Part { name: name(text), text, first_line }).collect()
}

/// The name that a part's comment says, with or without the suffix of its kind.
fn name(text: &str) -> Option<UnitName> {
    let said =
        text.lines().find_map(|line| line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("FileName="))?;
    let said = said.trim();
    if let Some(name) = UnitName::parse(said) {
        return Some(name);
    }
    let has_section = |kind: &Kind| text.lines().any(|line| line.trim() == format!("[{}]", kind.section()));
    UnitName::parse(&format!("{said}.{}", Kind::ALL.into_iter().find(has_section)?.suffix()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_s_parts_have_names_and_lines() {
        let parts = split("# FileName=web\n[Container]\nImage=x\n---\n#FileName=data.volume\n[Volume]\n---\n\n");
        let found: Vec<_> =
            parts.iter().map(|part| (part.name.as_ref().unwrap().to_string(), part.first_line)).collect();
        assert_eq!(found, [("web.container".to_owned(), 1), ("data.volume".to_owned(), 5)]);
        assert_eq!(split("[Container]\n")[0].name, None);
    }
}
