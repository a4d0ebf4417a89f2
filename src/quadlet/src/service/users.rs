// SPDX-License-Identifier: Apache-2.0 OR MIT
//! User namespaces: `UserNS=` and the mappings, and the older keys that begin with `Remap`.

use super::draft::Draft;
use crate::command::Command;
use crate::problem::Fault;

const OLD: [&str; 4] = ["RemapUsers", "RemapUid", "RemapGid", "RemapUidSize"];
const MAPPINGS: [(&str, &str); 2] = [("UIDMap", "--uidmap"), ("GIDMap", "--gidmap")];
const NAMES: [(&str, &str); 2] = [("SubUIDMap", "--subuidname"), ("SubGIDMap", "--subgidname")];

/// Which mappings a kind can have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mappings {
    /// All of them: containers and pods.
    Container,
    /// Those of `--userns` alone.
    Kube,
}

impl Mappings {
    /// Adds the options.
    pub(super) fn add(self, draft: &mut Draft<'_>, command: &mut Command) {
        let section = draft.section();
        let explicit = ["UserNS", "UIDMap", "GIDMap", "SubUIDMap", "SubGIDMap"];
        if explicit.iter().any(|key| section.last(key).is_some()) {
            if let Some(entry) = OLD.iter().find_map(|key| section.last(key)) {
                return draft.problem_at(entry, Fault::RemapAndMapping);
            }
            if let Some(entry) = section.last("UserNS") {
                command.option("--userns", entry.unquoted());
            }
            for (key, option) in MAPPINGS {
                command.args(section.words(key).into_iter().flat_map(|(_, word)| [option.to_owned(), word.text]));
            }
            for (key, option) in NAMES {
                if let Some(entry) = section.last(key) {
                    command.option(option, entry.unquoted());
                }
            }
            return;
        }
        self.add_old(draft, command);
    }

    fn add_old(self, draft: &mut Draft<'_>, command: &mut Command) {
        let section = draft.section();
        let (uids, gids) = (section.words("RemapUid"), section.words("RemapGid"));
        let Some(entry) = section.last("RemapUsers") else {
            if let Some((entry, _)) = uids.first().or(gids.first()) {
                draft.problem_at(entry, Fault::MapWithoutRemap { uid: !uids.is_empty() });
            }
            return;
        };
        let mut options = Vec::new();
        match entry.value.as_str() {
            "manual" if self == Self::Kube => return draft.problem_at(entry, Fault::RemapManual),
            "manual" => {
                command.args(uids.into_iter().flat_map(|(_, word)| ["--uidmap".to_owned(), word.text]));
                command.args(gids.into_iter().flat_map(|(_, word)| ["--gidmap".to_owned(), word.text]));
                return;
            }
            "auto" => {
                options.extend(uids.into_iter().map(|(_, word)| format!("uidmapping={}", word.text)));
                options.extend(gids.into_iter().map(|(_, word)| format!("gidmapping={}", word.text)));
                options.extend(section.last("RemapUidSize").map(|entry| format!("size={}", entry.unquoted())));
            }
            "keep-id" => {
                for (ids, name, uid) in [(uids, "uid", true), (gids, "gid", false)] {
                    if let Some((entry, word)) = ids.get(1) {
                        return draft.problem_in(entry, word.offset, Fault::SeveralIds { uid });
                    }
                    options.extend(ids.into_iter().map(|(_, word)| format!("{name}={}", word.text)));
                }
            }
            other => return draft.problem_at(entry, Fault::RemapUsers { value: other.to_owned() }),
        }
        let colon = if options.is_empty() { "" } else { ":" };
        command.option("--userns", format!("{}{colon}{}", entry.value, options.join(",")));
    }
}
