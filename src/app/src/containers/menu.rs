// SPDX-License-Identifier: GPL-3.0-or-later
//! The menu of a container: in its row, at the pointer, and on its page.

use gettextrs::gettext;
use relm4::gtk::gio;

use super::Containers;
use crate::listing::{entry, menu_of};
use crate::model::ContainerItem;

/// What can be done on the page of `item` now.
pub fn on_page(item: &ContainerItem) -> gio::Menu {
    let entry = |label: &str, name| entry::<Containers>(label, name, &item.id());
    let life = if item.running() {
        vec![
            entry(&gettext("_Stop"), "stop"),
            entry(&gettext("R_estart"), "restart"),
            entry(&gettext("_Kill…"), "kill"),
        ]
    } else {
        vec![entry(&gettext("_Start"), "start")]
    };
    let more = vec![entry(&gettext("_Make a Unit…"), "make-unit"), entry(&gettext("_Copy ID"), "copy")];
    menu_of([life, more, vec![entry(&gettext("_Remove…"), "remove")]])
}
