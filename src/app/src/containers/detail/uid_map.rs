// SPDX-License-Identifier: GPL-3.0-or-later
//! Whose ids a container's users are on the host, as a table, and a field that translates one either way.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use crate::language::fill;

/// Container id, host id, count.
type Range = (u32, u32, u32);

/// The table of users, that of groups where it differs, and the field.
pub fn group(users: &[Range], groups: &[Range]) -> Option<adw::PreferencesGroup> {
    if users.is_empty() {
        return None;
    }
    let group = adw::PreferencesGroup::builder()
        .title(gettext("User IDs"))
        .description(gettext("Who the container’s users are on this computer"))
        .build();
    if users == groups || groups.is_empty() {
        group.add(&table(&gettext("Users and groups"), users));
    } else {
        group.add(&table(&gettext("Users"), users));
        group.add(&table(&gettext("Groups"), groups));
    }
    let field =
        adw::EntryRow::builder().title(gettext("Translate an ID")).input_purpose(gtk::InputPurpose::Digits).build();
    let answer = adw::ActionRow::builder().visible(false).subtitle_selectable(true).css_classes(["property"]).build();
    let (ranges, answered) = (users.to_vec(), answer.clone());
    field.connect_changed(move |field| {
        let number = field.text().trim().parse::<u32>();
        answered.set_visible(number.is_ok());
        if let Ok(number) = number {
            answered.set_title(&fill(&gettext("ID {}"), &[&number.to_string()]));
            answered.set_subtitle(&translate(&ranges, number));
        }
    });
    group.add(&field);
    group.add(&answer);
    Some(group)
}

fn translate(ranges: &[Range], number: u32) -> String {
    let number_text = number.to_string();
    let outward = match to_host(ranges, number) {
        Some(host) => fill(&gettext("{} in the container is {} on the host"), &[&number_text, &host.to_string()]),
        None => fill(&gettext("{} in the container is nobody"), &[&number_text]),
    };
    let inward = match to_container(ranges, number) {
        Some(inside) => fill(&gettext("{} on the host is {} in the container"), &[&number_text, &inside.to_string()]),
        None => fill(&gettext("{} on the host is nobody in the container"), &[&number_text]),
    };
    format!("{outward}\n{inward}")
}

fn to_host(ranges: &[Range], inside: u32) -> Option<u32> {
    ranges.iter().find_map(|(first, host, count)| {
        let offset = inside.checked_sub(*first)?;
        (offset < *count).then(|| host.checked_add(offset)).flatten()
    })
}

fn to_container(ranges: &[Range], outside: u32) -> Option<u32> {
    let turned: Vec<Range> = ranges.iter().map(|(first, host, count)| (*host, *first, *count)).collect();
    to_host(&turned, outside)
}

/// A table of ranges.
fn table(name: &str, ranges: &[Range]) -> adw::PreferencesRow {
    let grid = gtk::Grid::builder()
        .column_spacing(12)
        .row_spacing(6)
        .column_homogeneous(true)
        .margin_start(12)
        .margin_end(12)
        .margin_top(12)
        .margin_bottom(12)
        .accessible_role(gtk::AccessibleRole::Table)
        .build();
    grid.update_property(&[gtk::accessible::Property::Label(name)]);
    let headings = [gettext("In the Container"), gettext("On the Host"), gettext("How Many")];
    for (column, text) in (0..).zip(headings) {
        let label = gtk::Label::builder()
            .label(text)
            .xalign(0.0)
            .wrap(true)
            .css_classes(["caption-heading", "dim-label"])
            .build();
        grid.attach(&label, column, 0, 1, 1);
    }
    for (row, (first, host, count)) in (1..).zip(ranges) {
        for (column, number) in (0..).zip([first, host, count]) {
            let label = gtk::Label::builder()
                .label(number.to_string())
                .xalign(0.0)
                .selectable(true)
                .css_classes(["numeric"])
                .build();
            grid.attach(&label, column, row, 1, 1);
        }
    }
    adw::PreferencesRow::builder().title(name).activatable(false).focusable(false).child(&grid).build()
}

#[cfg(test)]
mod tests {
    use super::{to_container, to_host};

    const MAP: [(u32, u32, u32); 2] = [(0, 1000, 1), (1, 100_000, 65536)];

    #[test]
    fn an_id_goes_out_and_comes_back() {
        assert_eq!(to_host(&MAP, 0), Some(1000));
        assert_eq!(to_host(&MAP, 33), Some(100_032));
        assert_eq!(to_container(&MAP, 100_032), Some(33));
    }

    #[test]
    fn an_id_outside_of_every_range_is_nobody() {
        assert_eq!(to_host(&MAP, 65537), None);
        assert_eq!(to_container(&MAP, 0), None);
        assert_eq!(to_host(&[(0, u32::MAX, 5)], 1), None);
    }
}
