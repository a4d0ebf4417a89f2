// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The service of a `.build`.

use std::path::Path;

use super::draft::{Draft, clean};
use crate::problem::Fault;
use crate::unit::Entry;

pub(super) fn make(draft: &mut Draft<'_>) {
    if draft.section().all("ImageTag").is_empty() {
        return draft.problem(Fault::Missing { key: "ImageTag" });
    }
    let mut build = draft.program(&["build"]);
    if let Some(entry) = draft.section().last("Pull") {
        build.arg(format!("--pull={}", entry.unquoted()));
    }
    draft.options(&mut build);
    draft.networks(&mut build);
    draft.volumes(&mut build);
    let file = draft.source.value("File").map(str::to_owned);
    if let Some(file) = &file {
        build.option("--file", file.clone());
    }
    draft.own_args(&mut build);
    if let Some(context) = context(draft, file.as_deref()) {
        build.arg(context);
    }
    draft.once(build, false);
}

/// The folder or address that is built from; nothing where the file alone says it.
fn context(draft: &mut Draft<'_>, file: Option<&str>) -> Option<String> {
    let entry = draft.section().last("SetWorkingDirectory");
    if let Some(own) = draft.said_of_service("WorkingDirectory")
        && !entry.is_some_and(|entry| stands_by_itself(entry, file))
    {
        return (!file.is_some_and(is_absolute)).then(|| own.value.clone());
    }
    let Some(entry) = entry else {
        match file {
            None => draft.problem(Fault::NoContext),
            Some(file) if !is_absolute(file) => {
                if let Some(entry) = draft.section().last("File") {
                    draft.problem_at(entry, Fault::RelativeFile);
                }
            }
            Some(_) => {}
        }
        return None;
    };
    let context = entry.unquoted();
    let folder = match (context.to_lowercase().as_str(), file) {
        ("unit", _) => clean(&draft.source.folder),
        ("file", Some(file)) => clean(draft.source.folder.join(file).parent().unwrap_or(Path::new("/"))),
        ("file", None) => {
            draft.problem_at(entry, Fault::Missing { key: "File" });
            return None;
        }
        _ => {
            if !is_address(context) && !context.starts_with(['/', '%']) {
                let unit = clean(&draft.source.folder);
                draft.service_section().add_default("WorkingDirectory", &unit);
            }
            return Some(context.to_owned());
        }
    };
    draft.service_section().add_default("WorkingDirectory", &folder);
    Some(folder)
}

/// Whether what the unit says of the folder is not said relative to the service's own, or is wrong.
fn stands_by_itself(entry: &Entry, file: Option<&str>) -> bool {
    let context = entry.unquoted();
    is_absolute(context) || context.starts_with('%') || context.eq_ignore_ascii_case("file") && file.is_none()
}

fn is_absolute(text: &str) -> bool {
    text.starts_with('/') || is_address(text)
}

/// Whether it is fetched, and not on this machine.
fn is_address(text: &str) -> bool {
    const BEGINNINGS: [&str; 6] = ["http://", "https://", "git://", "git@", "github.com/", "ssh://"];
    BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}
