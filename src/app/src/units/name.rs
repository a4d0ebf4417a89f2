// SPDX-License-Identifier: GPL-3.0-or-later
//! The name of a unit that is to be made, as somebody types it.

use gettextrs::gettext;
use relm4::adw;
use relm4::adw::prelude::*;

use crate::connection::UnitKind;

/// What was typed, without the spaces around it.
#[derive(Debug, Default)]
pub struct Name(String);

impl Name {
    /// Takes what is in `row`, which is marked when that can be no name.
    pub fn take(&mut self, row: &adw::EntryRow) {
        row.text().trim().clone_into(&mut self.0);
        if self.0.is_empty() || self.is_valid() {
            row.remove_css_class("error");
        } else {
            row.add_css_class("error");
        }
    }

    /// Whether systemd takes it (systemd.unit(5)).
    pub fn is_valid(&self) -> bool {
        let name = &self.0;
        !name.is_empty()
            && name.len() < 200
            && !name.starts_with(['.', '-'])
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte))
    }

    /// The name of the unit's file.
    pub fn file(&self, kind: UnitKind) -> String {
        let name = if self.0.is_empty() { gettext("NAME") } else { self.0.clone() };
        format!("{name}.{}", kind.suffix())
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn a_unit_s_name_is_what_systemd_takes() {
        for good in ["web", "web@", "web@8080", "a.b-c_d"] {
            assert!(Name(good.to_owned()).is_valid(), "{good}");
        }
        for bad in ["", "a b", "a/b", "-a", ".a", "ä"] {
            assert!(!Name(bad.to_owned()).is_valid(), "{bad}");
        }
    }
}
