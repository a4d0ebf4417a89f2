// SPDX-License-Identifier: GPL-3.0-or-later
//! Whose language it speaks: gettext's catalogue, found as other data is, below `XDG_DATA_DIRS` (so that it works from a
//! build tree and from any prefix); and which way it is read.

use std::path::PathBuf;

use gettextrs::{bind_textdomain_codeset, bindtextdomain, textdomain};
use relm4::gtk;
use relm4::gtk::glib;

const DOMAIN: &str = "haulout";

/// To be called before anything is said. The locale itself is set by GTK.
pub fn choose() {
    // A missing catalogue is no reason to stop: the words are English then.
    let _ = bindtextdomain(DOMAIN, folder());
    let _ = bind_textdomain_codeset(DOMAIN, "UTF-8");
    let _ = textdomain(DOMAIN);
}

/// The first `locale` folder that has our catalogue in any language.
fn folder() -> PathBuf {
    glib::system_data_dirs()
        .into_iter()
        .map(|data| data.join("locale"))
        .find(|locale| {
            std::fs::read_dir(locale).is_ok_and(|languages| {
                languages.flatten().any(|language| language.path().join("LC_MESSAGES/haulout.mo").exists())
            })
        })
        .unwrap_or_else(|| PathBuf::from("/usr/share/locale"))
}

/// `text` with its `{}` replaced by `values`, one after the other: a translation that lost one stays readable.
pub fn fill(text: &str, values: &[&str]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut values = values.iter();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{}") {
        filled.push_str(before);
        filled.push_str(values.next().unwrap_or(&""));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// `text` as it is where people read from right to left, too: what has an arrow or a sign between numbers would be turned around.
pub fn left_to_right(text: String) -> String {
    if is_right_to_left() { format!("\u{2066}{text}\u{2069}") } else { text }
}

/// Whether people read from right to left. Before GTK begins nobody reads.
pub fn is_right_to_left() -> bool {
    gtk::is_initialized_main_thread() && gtk::Widget::default_direction() == gtk::TextDirection::Rtl
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn a_value_with_braces_is_not_filled_again() {
        assert_eq!(fill("{} of {}", &["{}", "b"]), "{} of b");
        assert_eq!(fill("nothing", &["a"]), "nothing");
        assert_eq!(fill("{}{}", &["a"]), "a");
    }
}
