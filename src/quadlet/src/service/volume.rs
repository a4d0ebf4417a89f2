// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The service of a `.volume`.

use super::draft::Draft;
use crate::command::Command;
use crate::problem::Fault;

pub(super) fn make(draft: &mut Draft<'_>) {
    let mut create = draft.program(&["volume", "create", "--ignore"]);
    draft.options(&mut create);
    if draft.source.value("Driver") == Some("image") {
        match draft.section().last("Image") {
            Some(entry) => {
                let image = draft.image(entry);
                create.option("--opt", format!("image={image}"));
            }
            None => draft.problem(Fault::ImageOfVolume),
        }
    } else {
        device(draft, &mut create);
    }
    draft.own_args(&mut create);
    create.arg(draft.source.resource());
    draft.once(create, true);
}

/// What the volume is mounted from, and to whom it belongs.
fn device(draft: &mut Draft<'_>, create: &mut Command) {
    let section = draft.section();
    if let Some(copies) = draft.boolean("Copy") {
        create.option("--opt", if copies { "copy" } else { "nocopy" });
    }
    let device = section.last("Device");
    if let Some(entry) = device {
        create.option("--opt", format!("device={}", entry.unquoted()));
    }
    for key in ["Type", "Options"] {
        if let Some(entry) = section.last(key).filter(|_| device.is_none()) {
            draft.problem_at(entry, Fault::WithoutDevice { key });
        }
    }
    if let Some(entry) = section.last("Type") {
        create.option("--opt", format!("type={}", entry.unquoted()));
    }
    let mut options: Vec<String> = [("User", "uid"), ("Group", "gid")]
        .into_iter()
        .filter_map(|(key, option)| Some(format!("{option}={}", owner(draft, key)?)))
        .collect();
    options.extend(section.last("Options").map(|entry| entry.unquoted().to_owned()));
    if !options.is_empty() {
        create.option("--opt", format!("o={}", options.join(",")));
    }
}

/// The number of a user or group; of those by name, root's is the one that is the same on every machine.
fn owner(draft: &mut Draft<'_>, key: &'static str) -> Option<u32> {
    let entry = draft.section().last(key)?;
    let number = if entry.unquoted() == "root" { Some(0) } else { entry.unquoted().parse().ok() };
    if number.is_none() {
        draft.problem_at(entry, Fault::OwnerIsNoNumber { key, value: entry.value.clone() });
    }
    number
}
