// SPDX-License-Identifier: GPL-3.0-or-later
//! Failures as people meet them: a question's dialog with details that unfold, a toast, a page.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use super::copy;
use crate::errors::Words;

/// What the engine said, folded; with a button that copies it.
pub fn details(words: &Words) -> gtk::Expander {
    let head = format!("{}\n{}", words.title, words.body);
    let (inner, text) = to_copy(move |details| format!("{head}\n{details}"));
    inner.add_css_class("card");
    text.set_text(&words.details);
    let scrolled = gtk::ScrolledWindow::builder()
        .hscrollbar_policy(gtk::PolicyType::Never)
        .propagate_natural_height(true)
        .max_content_height(220)
        .child(&inner)
        .build();
    gtk::Expander::builder().label(gettext("_Details")).use_underline(true).child(&scrolled).build()
}

/// A place for what the engine said, and its label; a button copies what `whole` makes of the label's text.
fn to_copy(whole: impl Fn(&str) -> String + 'static) -> (gtk::Box, gtk::Label) {
    let text = gtk::Label::builder()
        .xalign(0.0)
        .wrap(true)
        .wrap_mode(gtk::pango::WrapMode::WordChar)
        .selectable(true)
        .hexpand(true)
        .css_classes(["monospace", "caption"])
        .build();
    let shown = text.clone();
    let copy = copy::button(move || whole(&shown.text()));
    copy.set_valign(gtk::Align::Start);
    let place = gtk::Box::builder().spacing(6).css_classes(["details"]).build();
    place.append(&text);
    place.append(&copy);
    (place, text)
}

/// Tells of it in a dialog.
pub fn present(words: &Words, parent: &impl IsA<gtk::Widget>) {
    let dialog = adw::AlertDialog::new(Some(&words.title), Some(&words.body));
    if !words.details.is_empty() {
        dialog.set_extra_child(Some(&details(words)));
    }
    dialog.add_response("close", &gettext("_Close"));
    dialog.set_close_response("close");
    dialog.set_default_response(Some("close"));
    dialog.present(Some(parent));
}

/// Tells of it in a toast whose button shows the rest.
pub fn toast(words: &Words, overlay: &adw::ToastOverlay) {
    let toast = adw::Toast::builder()
        .title(gtk::glib::markup_escape_text(&words.title))
        .button_label(gettext("_Details"))
        .priority(adw::ToastPriority::High)
        .timeout(8)
        .build();
    let (words, parent) = (words.clone(), overlay.downgrade());
    toast.connect_button_clicked(move |_| {
        if let Some(parent) = parent.upgrade() {
            present(&words, &parent);
        }
    });
    overlay.add_toast(toast);
}

/// A failure in a form, above the fields that it is about: it unfolds.
#[derive(Clone)]
pub struct FailureRow {
    pub group: adw::PreferencesGroup,
    row: adw::ExpanderRow,
    text: gtk::Label,
}

impl FailureRow {
    /// Not to be seen yet.
    pub fn new() -> Self {
        let (inner, text) = to_copy(str::to_owned);
        let row = adw::ExpanderRow::builder().title_lines(0).subtitle_lines(0).build();
        let icon = gtk::Image::builder()
            .icon_name("dialog-error-symbolic")
            .accessible_role(gtk::AccessibleRole::Presentation)
            .css_classes(["error"])
            .build();
        row.add_prefix(&icon);
        row.add_row(&adw::PreferencesRow::builder().title(gettext("Details")).activatable(false).child(&inner).build());
        let group = adw::PreferencesGroup::builder().visible(false).build();
        group.add(&row);
        Self { group, row, text }
    }

    /// Shows it, or nothing any more.
    pub fn show(&self, words: Option<&Words>) {
        self.group.set_visible(words.is_some());
        if let Some(words) = words {
            self.row.set_title(&gtk::glib::markup_escape_text(&words.title));
            self.row.set_subtitle(&gtk::glib::markup_escape_text(&words.body));
            self.row.set_enable_expansion(!words.details.is_empty());
            self.text.set_text(&words.details);
            let said = format!("{}. {}", words.title, words.body);
            self.text.announce(&said, gtk::AccessibleAnnouncementPriority::High);
        }
    }
}

/// A page that says what failed and offers to try again.
#[derive(Clone)]
pub struct FailurePage {
    pub page: adw::StatusPage,
    inner: gtk::Box,
}

impl FailurePage {
    pub fn new(again: impl Fn() + 'static) -> Self {
        let button = gtk::Button::builder()
            .label(gettext("_Try Again"))
            .use_underline(true)
            .halign(gtk::Align::Center)
            .css_classes(["pill", "suggested-action"])
            .build();
        button.connect_clicked(move |_| again());
        let inner = gtk::Box::builder().orientation(gtk::Orientation::Vertical).spacing(24).build();
        inner.append(&button);
        let page = adw::StatusPage::builder().icon_name("dialog-error-symbolic").child(&inner).build();
        Self { page, inner }
    }

    /// In a tab, which has less room.
    pub fn of_tab(again: impl Fn() + 'static) -> Self {
        let failed = Self::new(again);
        failed.page.add_css_class("compact");
        failed
    }

    pub fn show(&self, words: &Words) {
        self.page.set_title(&words.title);
        self.page.set_description(Some(&gtk::glib::markup_escape_text(&words.body)));
        while let Some(old) = self.inner.last_child().filter(gtk::Widget::is::<adw::Clamp>) {
            self.inner.remove(&old);
        }
        if !words.details.is_empty() {
            let details = details(words);
            details.set_halign(gtk::Align::Center);
            let clamp = adw::Clamp::builder().maximum_size(500).child(&details).build();
            self.inner.append(&clamp);
        }
    }
}
