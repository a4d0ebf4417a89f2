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
    let last = REALTIME.1;
    if let Ok(number) = text.parse::<i32>() {
        return match number {
            0 => Err(Error::Invalid(format!("invalid signal: {text}"))),
            _ if (1..=last).contains(&number) => Ok(number),
            _ => Err(Error::Invalid(format!("valid signals are 1 through {last}"))),
        };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let found = real_time(name).or_else(|| match name {
        "CLD" => Some(Signal::SIGCHLD as i32),
        "POLL" => Some(Signal::SIGIO as i32),
        _ => format!("SIG{name}").parse::<Signal>().ok().map(|signal| signal as i32),
    });
    found.filter(|number| (1..=last).contains(number)).ok_or_else(|| Error::Invalid(format!("invalid signal: {text}")))
}

/// `RTMIN`, `RTMIN+3`, `RTMAX-1`.
fn real_time(name: &str) -> Option<i32> {
    let offset = |rest: &str, sign| match rest {
        "" => Some(0),
        rest => rest.strip_prefix(sign)?.parse::<i32>().ok(),
    };
    if let Some(rest) = name.strip_prefix("RTMIN") {
        return REALTIME.0.checked_add(offset(rest, '+')?);
    }
    REALTIME.1.checked_sub(offset(name.strip_prefix("RTMAX")?, '-')?)
}

/// Its name, `SIGTERM`; its number where it has none.
pub fn name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) if number == REALTIME.0 => "SIGRTMIN".to_owned(),
        Err(_) if number == REALTIME.1 => "SIGRTMAX".to_owned(),
        // From whichever end is nearer, as kill -l has it.
        Err(_) if number >= REALTIME.0 + 16 => format!("SIGRTMAX-{}", REALTIME.1 - number),
        Err(_) if number > REALTIME.0 => format!("SIGRTMIN+{}", number - REALTIME.0),
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
            ("CLD", 17),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
        ] {
            assert_eq!(number(text).unwrap(), expected, "{text}");
        }
        for text in ["FOO", "0", "", "RTMIN+40", "RTMIN3", "RTMAX+1", "RTMIN+2147483647", "RTMAX-2147483647", "RTMINü"]
        {
            assert_eq!(number(text).unwrap_err().to_string(), format!("invalid signal: {text}"));
        }
        for text in ["65", "-1"] {
            assert_eq!(number(text).unwrap_err().to_string(), "valid signals are 1 through 64");
        }
        let names = [15, 34, 37, 49, 50, 64].map(name);
        assert_eq!(names, ["SIGTERM", "SIGRTMIN", "SIGRTMIN+3", "SIGRTMIN+15", "SIGRTMAX-14", "SIGRTMAX"]);
    }
}
