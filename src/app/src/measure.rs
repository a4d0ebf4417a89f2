// SPDX-License-Identifier: GPL-3.0-or-later
//! Bytes, times and ages in words.

use gettextrs::{gettext, ngettext};
use relm4::gtk::glib;

use crate::language::fill;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Seconds since 1970, now.
pub fn now() -> i64 {
    glib::real_time() / 1_000_000
}

/// Bytes as the desktop writes them: `52.4 MB`.
pub fn bytes(count: u64) -> String {
    glib::format_size(count).into()
}

/// How long ago `then` was, for a list: at least "Just now", at most weeks, months or years.
pub fn age(then: i64, now: i64) -> String {
    let seconds = (now - then).max(0);
    let (singular, plural, count) = match seconds {
        ..MINUTE => return gettext("Just now"),
        MINUTE..HOUR => ("{} minute ago", "{} minutes ago", seconds / MINUTE),
        HOUR..DAY => ("{} hour ago", "{} hours ago", seconds / HOUR),
        _ => match seconds / DAY {
            days @ ..14 => ("{} day ago", "{} days ago", days),
            days @ 14..60 => ("{} week ago", "{} weeks ago", days / 7),
            days @ 60..730 => ("{} month ago", "{} months ago", days / 30),
            days => ("{} year ago", "{} years ago", days / 365),
        },
    };
    counted(&ngettext(singular, plural, plural_number(count)), count)
}

/// How long something is going to take.
pub fn time_left(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let (singular, plural, count) = match seconds {
        ..MINUTE => ("{} second left", "{} seconds left", seconds.max(1)),
        MINUTE..HOUR => ("{} minute left", "{} minutes left", (seconds + MINUTE / 2) / MINUTE),
        _ => ("{} hour left", "{} hours left", seconds / HOUR),
    };
    counted(&ngettext(singular, plural, plural_number(count)), count)
}

/// A point in time, in the user's own way of writing it.
pub fn date(seconds: i64) -> String {
    // Translators: a day and the time on it, as g_date_time_format() takes them: Nov 30, 2026, 14:05
    written(seconds, &gettext("%b %-d, %Y, %H:%M"))
}

/// A day, in the user's own way of writing it; with the hour where it does not begin then.
pub fn day(seconds: i64) -> String {
    let begins = glib::DateTime::from_unix_local(seconds).is_ok_and(|time| time.hour() == 0 && time.minute() == 0);
    // Translators: a day, as g_date_time_format() takes it: Nov 30, 2026
    if begins { written(seconds, &gettext("%b %-d, %Y")) } else { date(seconds) }
}

fn written(seconds: i64, form: &str) -> String {
    glib::DateTime::from_unix_local(seconds)
        .and_then(|time| time.format(form))
        .map_or_else(|_| seconds.to_string(), Into::into)
}

/// The count that chooses among plural forms.
pub fn plural_number(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn counted(text: &str, count: i64) -> String {
    fill(text, &[&count.to_string()])
}

/// The strings that [`age`] and [`time_left`] choose from, where the extractor of messages sees them.
#[allow(dead_code, reason = "only read by xtr")]
fn for_translators() {
    ngettext("{} minute ago", "{} minutes ago", 1);
    ngettext("{} hour ago", "{} hours ago", 1);
    ngettext("{} day ago", "{} days ago", 1);
    ngettext("{} week ago", "{} weeks ago", 1);
    ngettext("{} month ago", "{} months ago", 1);
    ngettext("{} year ago", "{} years ago", 1);
    ngettext("{} second left", "{} seconds left", 1);
    ngettext("{} minute left", "{} minutes left", 1);
    ngettext("{} hour left", "{} hours left", 1);
}

#[cfg(test)]
mod tests {
    use relm4::gtk::glib;

    use super::{age, date, day, time_left};

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        assert_eq!(age(1000, 1010), "Just now");
        assert_eq!(age(0, 60), "1 minute ago");
        assert_eq!(age(0, 7199), "1 hour ago");
        assert_eq!(age(0, 13 * 86400), "13 days ago");
        assert_eq!(age(0, 21 * 86400), "3 weeks ago");
        assert_eq!(age(0, 800 * 86400), "2 years ago");
    }

    #[test]
    fn a_day_that_has_just_begun_has_no_hour() {
        let begins = glib::DateTime::from_local(2026, 3, 5, 0, 0, 0.).unwrap().to_unix();
        assert_eq!((day(begins).as_str(), date(begins).as_str()), ("Mar 5, 2026", "Mar 5, 2026, 00:00"));
        assert_eq!(day(begins + 3 * 3600 + 240), "Mar 5, 2026, 03:04");
    }

    #[test]
    fn a_clock_that_went_back_makes_nothing_negative() {
        assert_eq!(age(1000, 10), "Just now");
        assert_eq!(time_left(0), "1 second left");
    }
}
