// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Signals by name and by number, as `--stop-signal` and `kill -s` take them.

use anyhow::{Result, bail};
use nix::sys::signal::Signal;

/// The first and the last real-time signal that programs may use (glibc keeps 32 and 33).
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// The number of `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3` …
pub fn parse(text: &str) -> Result<i32> {
    if let Ok(number) = text.parse::<i32>() {
        if number == 0 {
            bail!("invalid signal: {text}");
        }
        if !(1..=RTMAX).contains(&number) {
            bail!("valid signals are 1 through {RTMAX}");
        }
        return Ok(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    match real_time(name).or_else(|| named(name)) {
        Some(number) => Ok(number),
        None => bail!("invalid signal: {text}"),
    }
}

fn named(name: &str) -> Option<i32> {
    match name {
        "CLD" => Some(Signal::SIGCHLD as i32),
        "POLL" => Some(Signal::SIGIO as i32),
        _ => format!("SIG{name}").parse::<Signal>().ok().map(|signal| signal as i32),
    }
}

fn real_time(name: &str) -> Option<i32> {
    let number = if let Some(after) = name.strip_prefix("RTMIN") {
        if after.is_empty() { RTMIN } else { RTMIN + after.strip_prefix('+')?.parse::<i32>().ok()? }
    } else {
        let before = name.strip_prefix("RTMAX")?;
        if before.is_empty() { RTMAX } else { RTMAX - before.strip_prefix('-')?.parse::<i32>().ok()? }
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

/// Its name, as `inspect` shows it: `SIGTERM`.
pub fn name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) if number == RTMIN => "SIGRTMIN".to_owned(),
        Err(_) => format!("SIGRTMIN+{}", number - RTMIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_a_name_with_or_without_sig_or_a_number() {
        for (text, number) in
            [("TERM", 15), ("SIGTERM", 15), ("sigkill", 9), ("15", 15), ("RTMIN+3", 37), ("RTMAX", 64)]
        {
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
        assert_eq!((name(15), name(37)), ("SIGTERM".to_owned(), "SIGRTMIN+3".to_owned()));
        assert_eq!(parse("FOO").unwrap_err().to_string(), "invalid signal: FOO");
        assert_eq!(parse("0").unwrap_err().to_string(), "invalid signal: 0");
        assert_eq!(parse("99").unwrap_err().to_string(), "valid signals are 1 through 64");
    }
}
