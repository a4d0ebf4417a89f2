// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The services of an `.image` and of an `.artifact`: each pulls one thing.

use super::draft::Draft;
use crate::problem::Fault;

pub(super) fn make(draft: &mut Draft<'_>) {
    if let Some(entry) = draft.section().last("Image") {
        draft.warn_of_short_name(entry);
    }
    pull(draft, "image", "Image");
}

pub(super) fn make_artifact(draft: &mut Draft<'_>) {
    pull(draft, "artifact", "Artifact");
}

fn pull(draft: &mut Draft<'_>, noun: &str, key: &'static str) {
    let Some(what) = draft.source.value(key).map(str::to_owned) else { return draft.problem(Fault::Missing { key }) };
    let mut pull = draft.program(&[noun, "pull"]);
    draft.options(&mut pull);
    draft.own_args(&mut pull);
    pull.arg(what);
    draft.once(pull, true);
}
