// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signals by name and number (signal(7)).

use nix::sys::signal::Signal;

use crate::engine::Error;

/// What asks a systemd that is pid 1 to end (systemd(1), Signals): `SIGRTMIN+3`.
pub(crate) const POWER_OFF: i32 = 37;

/// The first and the last real-time signal that programs may use.
const REALTIME: (i32, i32) = (34, 64);

/// `TERM`, `sigterm`, `15`, `RTMIN+3`: its number.
pub fn number(text: &str) -> Result<i32, Error> {
    let invalid = || Error::Invalid(format!("invalid signal: {text}"));
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=REALTIME.1).contains(&number) { Ok(number) } else { Err(invalid()) };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let (first, last) = REALTIME;
    let offset = |rest: &str| if rest.is_empty() { Some(0) } else { rest[1..].parse::<i32>().ok() };
    let found = if let Some(rest) = name.strip_prefix("RTMIN").filter(|rest| rest.is_empty() || rest.starts_with('+')) {
        offset(rest).map(|offset| first + offset)
    } else if let Some(rest) = name.strip_prefix("RTMAX").filter(|rest| rest.is_empty() || rest.starts_with('-')) {
        offset(rest).map(|offset| last - offset)
    } else {
        format!("SIG{name}").parse::<Signal>().ok().map(|signal| signal as i32)
    };
    found.filter(|number| (1..=last).contains(number)).ok_or_else(invalid)
}

/// Its name, `SIGTERM`; its number where it has none.
pub fn name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) if number >= REALTIME.0 => format!("SIGRTMIN+{}", number - REALTIME.0),
        Err(_) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_known_by_name_and_number() {
        for (text, expected) in [
            ("15", 15),
            ("TERM", 15),
            ("SIGKILL", 9),
            ("sighup", 1),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
        ] {
            assert_eq!(number(text).unwrap(), expected, "{text}");
        }
        for text in ["FOO", "0", "65", "-1", "", "RTMIN+40", "RTMIN3", "RTMAX+1"] {
            assert_eq!(number(text).unwrap_err().to_string(), format!("invalid signal: {text}"));
        }
        assert_eq!((name(15).as_str(), name(37).as_str()), ("SIGTERM", "SIGRTMIN+3"));
    }
}
