// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Volume=` and `Mount=`: what of the host a container has.

use super::draft::Draft;
use crate::command::Command;
use crate::kind::{Kind, UnitName};
use crate::problem::Fault;
use crate::unit::Entry;

impl Draft<'_> {
    /// Adds the options of `Volume=`.
    pub(super) fn volumes(&mut self, command: &mut Command) {
        for entry in self.section().all("Volume") {
            let value = entry.unquoted();
            let Some((source, rest)) = value.split_once(':') else {
                command.option("-v", value);
                continue;
            };
            let Some(source) = self.mount_source(entry, source, Kind::Volume) else { continue };
            command.option("-v", if source.is_empty() { rest.to_owned() } else { format!("{source}:{rest}") });
        }
    }

    /// Adds the options of `Mount=`.
    pub(super) fn mounts(&mut self, command: &mut Command) {
        for entry in self.section().all("Mount") {
            if let Some(mount) = self.mount(entry) {
                command.option("--mount", mount);
            }
        }
    }

    /// A mount, with the source that it means.
    fn mount(&mut self, entry: &Entry) -> Option<String> {
        let mut fields = fields(&joined(entry));
        let Some(kind) = fields.iter().find_map(|field| Some(field.strip_prefix("type=")?.to_owned())) else {
            self.problem_at(entry, Fault::Mount);
            return None;
        };
        let of_unit = match kind.as_str() {
            "volume" | "bind" | "glob" => Kind::Volume,
            "image" => Kind::Image,
            _ => return Some(written(&fields)),
        };
        for field in &mut fields {
            let (key, source) = field.split_once('=').map_or((field.as_str(), None), |(key, value)| (key, Some(value)));
            if !matches!(key, "source" | "src") {
                continue;
            }
            let Some(source) = source.filter(|source| !source.is_empty()) else {
                self.problem_at(entry, Fault::MountSource);
                return None;
            };
            *field = format!("source={}", self.mount_source(entry, source, of_unit)?);
        }
        Some(written(&fields))
    }

    /// Where a mount comes from: a unit's volume or image, a path, or a name.
    fn mount_source(&mut self, entry: &Entry, source: &str, of_unit: Kind) -> Option<String> {
        let kind = UnitName::parse(source).map(|unit| unit.kind());
        let is_unit = kind == Some(of_unit) || (of_unit == Kind::Image && kind == Some(Kind::Build));
        if is_unit && !source.starts_with(['/', '.']) {
            let Some(other) = self.units.find(source) else {
                let name = source.to_owned();
                let fault =
                    if of_unit == Kind::Image { Fault::NoSuchImage { name } } else { Fault::NoSuchVolume { name } };
                self.problem_at(entry, fault);
                return None;
            };
            self.needs(other);
            return Some(other.resource());
        }
        let path = if source.starts_with('.') { self.path(source) } else { source.to_owned() };
        self.needs_mount(&path);
        Some(path)
    }
}

/// The value, its words joined as a shell joins them.
fn joined(entry: &Entry) -> String {
    entry.words().into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
}

/// The fields between commas, as CSV (RFC 4180) has them.
fn fields(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let last = fields.len() - 1;
        match char {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => fields[last].push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields[last].push(char),
        }
    }
    fields
}

/// Fields as CSV.
fn written(fields: &[String]) -> String {
    let field = |field: &String| {
        if field.contains([',', '"', '\n']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.clone() }
    };
    fields.iter().map(field).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_csv() {
        let text = r#"type=bind,"source=/a,b",dst="x"#;
        assert_eq!(fields(text), ["type=bind", "source=/a,b", "dst=x"]);
        assert_eq!(written(&fields(text)), r#"type=bind,"source=/a,b",dst=x"#);
        assert_eq!(fields(r#"a,"b""c""#), ["a", "b\"c"]);
    }
}
