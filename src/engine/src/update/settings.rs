// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table `[auto-update]` of `~/.config/haulout/config.toml`, for the machine of `/etc/haulout/config.toml`: when updates are made
//! by themselves, and what counts as good.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use std::{fs, io};

use jiff::ZonedDateTime;
use jiff::civil::{Time, Weekday};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::config::own;

/// What is set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct UpdateSettings {
    /// When the timer's run may restart units; always when there are none.
    pub windows: Vec<Window>,
    /// How long, in seconds, a container has to stay up to count as good.
    pub grace: u64,
    /// How long, in seconds, a unit may take to start, and its container to become healthy.
    pub patience: u64,
}

impl Default for UpdateSettings {
    fn default() -> Self {
        Self { windows: Vec::new(), grace: 10, patience: 900 }
    }
}

/// A time of the week: `Sat,Sun`, `02:00-05:00`, `Mon..Fri 22:00-06:00`. One that goes past midnight belongs to the day on which it
/// begins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Window {
    days: Vec<Weekday>,
    from: Time,
    to: Time,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateSettingsError {
    /// A file that is there and cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// One that is not what it should be.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
}

/// The file as it is written; what the other keys say is for others, but one that nobody knows is a mistake in writing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "auto-update")]
    auto_update: Option<UpdateSettings>,
    #[serde(rename = "quadlet")]
    _quadlet: Option<IgnoredAny>,
    #[serde(rename = "limits")]
    _limits: Option<IgnoredAny>,
    #[serde(rename = "additionalimagestores")]
    _image_stores: Option<IgnoredAny>,
}

impl UpdateSettings {
    /// Reads them: of the first file that has the table. Blocks.
    pub fn load() -> Result<Self, UpdateSettingsError> {
        for path in own::files() {
            if let Some(settings) = read(&path)? {
                return Ok(settings);
            }
        }
        Ok(Self::default())
    }

    /// Whether units may be restarted at that time without anybody asking for it.
    pub fn is_open(&self, at: &ZonedDateTime) -> bool {
        self.windows.is_empty() || self.windows.iter().any(|window| window.holds(at))
    }

    pub(super) fn grace(&self) -> Duration {
        Duration::from_secs(self.grace)
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

fn read(path: &Path) -> Result<Option<UpdateSettings>, UpdateSettingsError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(UpdateSettingsError::Read { path: path.into(), source }),
    };
    let malformed = |error: toml::de::Error| UpdateSettingsError::Malformed {
        path: path.into(),
        reason: error.to_string().trim_end().to_owned(),
    };
    Ok(toml::from_str::<File>(&text).map_err(malformed)?.auto_update)
}

impl Window {
    /// Whether that time is in it.
    fn holds(&self, at: &ZonedDateTime) -> bool {
        let (time, today) = (at.time(), at.weekday());
        if self.from < self.to {
            return self.days.contains(&today) && self.from <= time && time < self.to;
        }
        (self.days.contains(&today) && self.from <= time) || (self.days.contains(&today.previous()) && time < self.to)
    }

    /// When it begins, as systemd.time(7) has calendar events.
    pub fn beginning(&self) -> String {
        let days: Vec<&str> = self.days.iter().map(|day| name(*day)).collect();
        format!("{} {}", days.join(","), self.from.strftime("%H:%M"))
    }

    /// How many minutes it lasts.
    pub fn minutes(&self) -> i64 {
        let minute = |time: Time| i64::from(time.hour()) * 60 + i64::from(time.minute());
        match minute(self.to) - minute(self.from) {
            span if span <= 0 => span + 24 * 60,
            span => span,
        }
    }
}

const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

fn name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    }
}

fn day(text: &str) -> Result<Weekday, String> {
    WEEK.into_iter()
        .find(|day| name(*day).eq_ignore_ascii_case(text))
        .ok_or_else(|| format!("{text:?} is no day: Mon, Tue, Wed, Thu, Fri, Sat, Sun"))
}

fn days(text: &str) -> Result<Vec<Weekday>, String> {
    let mut found = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once("..").unwrap_or((part, part));
        let (mut next, last) = (day(first)?, day(last)?);
        found.push(next);
        while next != last {
            next = next.next();
            found.push(next);
        }
    }
    Ok(found)
}

/// `HH:MM`; `24:00` is the next day's beginning.
fn time(text: &str) -> Result<Time, String> {
    let wrong = || format!("{text:?} is no time of day: HH:MM");
    if text == "24:00" {
        return Ok(Time::midnight());
    }
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<i8>().map_err(|_| wrong());
    Time::new(number(hour)?, number(minute)?, 0, 0).map_err(|_| wrong())
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut window = Self { days: WEEK.to_vec(), from: Time::midnight(), to: Time::midnight() };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (said_days, times) = match words.as_slice() {
            [times] if times.contains(':') => (None, Some(*times)),
            [said] => (Some(*said), None),
            [said, times] => (Some(*said), Some(*times)),
            _ => return Err(format!("{text:?} is no window: it is like \"Mon..Fri 02:00-05:00\"")),
        };
        if let Some(said) = said_days {
            window.days = days(said)?;
        }
        if let Some(times) = times {
            let (from, to) = times.split_once('-').ok_or_else(|| format!("{times:?} is no span: HH:MM-HH:MM"))?;
            (window.from, window.to) = (time(from)?, time(to)?);
        }
        Ok(window)
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> ZonedDateTime {
        text.parse::<jiff::civil::DateTime>().unwrap().to_zoned_datetime(jiff::tz::TimeZone::UTC).unwrap()
    }

    #[test]
    fn a_window_is_of_days_and_times() {
        let window: Window = "Mon..Fri 02:00-05:00".parse().unwrap();
        // 2026-11-27 is a Friday.
        assert!(window.holds(&at("2026-11-27T02:00")));
        assert!(window.holds(&at("2026-11-27T04:59:59")));
        assert!(!window.holds(&at("2026-11-27T05:00")));
        assert!(!window.holds(&at("2026-11-28T03:00")));
        assert_eq!(window.beginning(), "Mon,Tue,Wed,Thu,Fri 02:00");
        assert_eq!(window.minutes(), 180);
    }

    #[test]
    fn past_midnight_it_belongs_to_the_day_on_which_it_begins() {
        let window: Window = "Fri 22:00-06:00".parse().unwrap();
        assert!(window.holds(&at("2026-11-27T23:00")));
        assert!(window.holds(&at("2026-11-28T05:00")));
        assert!(!window.holds(&at("2026-11-27T05:00")));
        assert!(!window.holds(&at("2026-11-28T23:00")));
        assert_eq!(window.minutes(), 480);
    }

    #[test]
    fn a_day_alone_is_all_of_it_and_days_wrap_around() {
        let window: Window = "sat..mon".parse().unwrap();
        assert!(window.holds(&at("2026-11-29T00:00")) && window.holds(&at("2026-11-30T23:59")));
        assert!(!window.holds(&at("2026-12-01T00:00")));
        let evening: Window = "18:00-24:00".parse().unwrap();
        assert!(evening.holds(&at("2026-12-01T23:59")) && !evening.holds(&at("2026-12-02T00:00")));
    }

    #[test]
    fn what_is_no_window_says_what_one_is() {
        for (bad, says) in [
            ("", "no window"),
            ("Mox", "no day"),
            ("Mon 2-3", "no time"),
            ("Mon 02:00", "no span"),
            ("1 2 3", "no window"),
        ] {
            let error = bad.parse::<Window>().unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn a_file_without_the_table_says_nothing_and_a_wrong_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        assert_eq!(read(&file).unwrap(), None);
        fs::write(&file, "quadlet = \"haulout\"\nadditionalimagestores = []\n[limits]\nentries = 1\n").unwrap();
        assert_eq!(read(&file).unwrap(), None);
        fs::write(&file, "[autoupdate]\ngrace = 3\n").unwrap();
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains("unknown field `autoupdate`, expected one of `auto-update`"), "{error}");
        fs::write(&file, "[auto-update]\nwindows = [\"Sat,Sun\"]\ngrace = 3\n").unwrap();
        let settings = read(&file).unwrap().unwrap();
        assert_eq!((settings.windows.len(), settings.grace, settings.patience), (1, 3, 900));
        for (text, says) in [("window = []", "window"), ("windows = [\"Mox\"]", "no day"), ("grace = -1", "grace")] {
            fs::write(&file, format!("[auto-update]\n{text}\n")).unwrap();
            let error = read(&file).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("config.toml"), "{error}");
        }
    }
}
