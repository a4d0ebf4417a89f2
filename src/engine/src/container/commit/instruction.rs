// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `commit --change`: lines of a Containerfile(5) that say what an image is, as Podman reads them there.
//!
//! Other than those of `import --change` their words have quotes. No variable is set while they are read, so `$NAME` is
//! nothing and `${NAME:-word}` the word.

use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::word::{self, WordError};
use crate::container::signal;
use crate::image::ContainerConfig;

/// Why a line is none of these; in Podman's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InstructionError {
    /// Its words.
    #[error("resolving change {change:?}: {why}")]
    Words { change: String, why: WordError },
    /// Its form.
    #[error("parsing change set {change}: {why}")]
    Form { change: String, why: String },
    /// What it says.
    #[error("processing change {change:?}: {why}")]
    Meaning { change: String, why: String },
}

/// What is wrong with a line, not yet with the line.
enum Fault {
    Words(WordError),
    Form(String),
    Meaning(String),
}

impl From<WordError> for Fault {
    fn from(error: WordError) -> Self {
        Self::Words(error)
    }
}

/// Applies the lines of `changes` in their order. What is said of a health check is given back, as Docker's configuration
/// has it: OCI's has no place for one.
pub(super) fn apply(config: &mut ContainerConfig, changes: &[String]) -> Result<Option<Value>, InstructionError> {
    let mut changed = Changed { config, health: None, has_command: false, folder: "/".to_owned() };
    for line in changes.iter().flat_map(|change| lines(change)) {
        changed.apply(&line).map_err(|fault| match fault {
            Fault::Words(why) => InstructionError::Words { change: line, why },
            Fault::Form(why) => InstructionError::Form { change: line, why },
            Fault::Meaning(why) => InstructionError::Meaning { change: line, why },
        })?;
    }
    Ok(changed.health)
}

/// The lines of a text: one goes on after a backslash; comments and empty ones are none.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut whole = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        let line = line.trim();
        if let Some(begun) = line.strip_suffix('\\') {
            whole.push_str(begun);
            continue;
        }
        whole.push_str(line);
        lines.push(std::mem::take(&mut whole));
    }
    lines.push(whole);
    lines.into_iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

struct Changed<'a> {
    config: &'a mut ContainerConfig,
    health: Option<Value>,
    /// Whether one of the lines was a `CMD`.
    has_command: bool,
    /// The folder of the last `WORKDIR`, that a relative one is in.
    folder: String,
}

impl Changed<'_> {
    fn apply(&mut self, line: &str) -> Result<(), Fault> {
        // `CMD=word` is taken as well.
        let (name, rest) = line.split_once([' ', '\t', '=']).unwrap_or((line, ""));
        let (name, rest) = (name.to_ascii_uppercase(), rest.trim());
        let config = &mut *self.config;
        match name.as_str() {
            "CMD" => {
                self.has_command = true;
                match array(rest)? {
                    Some(words) if words.is_empty() => {}
                    Some(words) => config.cmd = words,
                    None => config.cmd = for_shell(rest),
                }
            }
            "ENTRYPOINT" => {
                config.entrypoint = match array(rest)? {
                    Some(words) => words,
                    None if rest.is_empty() => Vec::new(),
                    None => for_shell(rest),
                };
                // The command of before was for another program.
                if !config.entrypoint.is_empty() && !self.has_command {
                    config.cmd.clear();
                }
            }
            "ENV" => {
                for (key, value) in pairs("ENV", rest)? {
                    set_variable(&mut config.env, &key, &value);
                }
            }
            "LABEL" => config.labels.extend(pairs("LABEL", rest)?),
            "EXPOSE" => {
                some("EXPOSE", rest)?;
                for port in words(rest)?.into_iter().filter(|port| !port.is_empty()) {
                    let port = if port.contains('/') { port } else { format!("{port}/tcp") };
                    config.exposed_ports.0.insert(port);
                }
            }
            "VOLUME" => {
                let places = match array(rest)? {
                    Some(places) => places,
                    None => words(rest)?,
                };
                if places.is_empty() {
                    return Err(Fault::Meaning("VOLUME requires at least one argument".to_owned()));
                }
                config.volumes.0.extend(places);
            }
            "USER" => config.user = one("USER", rest)?,
            "WORKDIR" => {
                self.folder = below(&self.folder, &one("WORKDIR", rest)?);
                config.working_dir.clone_from(&self.folder);
            }
            "STOPSIGNAL" => {
                let text = one("STOPSIGNAL", rest)?;
                let is_number = text.parse::<u32>().is_ok_and(|number| number > 0);
                if !is_number && (text.parse::<u32>().is_ok() || signal::number(&text).is_err()) {
                    return Err(Fault::Meaning(format!("Invalid signal: {text}")));
                }
                config.stop_signal = text;
            }
            "HEALTHCHECK" => self.health = Some(health_check(rest)?),
            "SHELL" => {
                if array(rest)?.is_none() {
                    return Err(Fault::Meaning("SHELL requires the arguments to be in JSON form".to_owned()));
                }
            }
            "ONBUILD" => {
                some("ONBUILD", rest)?;
                let of = rest.split_whitespace().next().unwrap_or_default();
                if of.eq_ignore_ascii_case("ONBUILD") {
                    return Err(Fault::Meaning("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".to_owned()));
                }
            }
            // They say something to who builds, and there is nothing to be built.
            "ARG" | "FROM" | "MAINTAINER" => {}
            "ADD" | "COPY" => return Err(Fault::Meaning("ADD/COPY not supported as changes".to_owned())),
            "RUN" => return Err(Fault::Meaning("RUN not supported as a change".to_owned())),
            _ => return Err(Fault::Meaning(format!("did not understand change instruction {line:?}"))),
        }
        Ok(())
    }
}

/// A JSON list of strings; nothing when it is no list.
fn array(text: &str) -> Result<Option<Vec<String>>, Fault> {
    let Ok(Value::Array(values)) = serde_json::from_str(text) else { return Ok(None) };
    let strings = values.into_iter().map(|value| match value {
        Value::String(text) => Ok(text),
        _ => Err(Fault::Form("when using JSON array syntax, arrays must be comprised of strings only".to_owned())),
    });
    strings.collect::<Result<_, _>>().map(Some)
}

fn for_shell(line: &str) -> Vec<String> {
    let words = ["/bin/sh", "-c", line].into_iter().filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn some(name: &str, rest: &str) -> Result<(), Fault> {
    if rest.is_empty() {
        return Err(Fault::Meaning(format!("{name} requires at least one argument")));
    }
    Ok(())
}

fn one(name: &str, rest: &str) -> Result<String, Fault> {
    if rest.is_empty() {
        return Err(Fault::Meaning(format!("{name} requires exactly one argument")));
    }
    Ok(word::plain(rest)?)
}

/// Words that end where there is a space, in quotes or not.
fn words(text: &str) -> Result<Vec<String>, Fault> {
    text.split_whitespace().map(|text| Ok(word::plain(text)?)).collect()
}

/// `KEY=VALUE …`, or the old form: a key and everything after it.
fn pairs(name: &str, text: &str) -> Result<Vec<(String, String)>, Fault> {
    some(name, text)?;
    let found = word::split(text);
    let first = found.first().copied().unwrap_or_default();
    if !first.contains('=') {
        let Some((key, value)) = text.split_once(char::is_whitespace) else {
            return Err(Fault::Form(format!("{name} must have two arguments")));
        };
        return Ok(vec![(word::plain(key)?, word::plain(value.trim())?)]);
    }
    let pair = |text: &&str| match text.split_once('=') {
        Some((key, value)) => Ok((word::plain(key)?, word::plain(value)?)),
        None => Err(Fault::Form(format!("Syntax error - can't find = in {text:?}. Must be of the form: name=value"))),
    };
    found.iter().map(pair).collect()
}

fn set_variable(env: &mut Vec<String>, key: &str, value: &str) {
    let variable = format!("{key}={value}");
    match env.iter_mut().find(|known| known.split('=').next() == Some(key)) {
        Some(known) => *known = variable,
        None => env.push(variable),
    }
}

/// `path` in `folder`; never above the root.
fn below(folder: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let mut found = PathBuf::from("/");
    for part in Path::new(folder).join(path).components() {
        match part {
            Component::Normal(name) => found.push(name),
            Component::ParentDir => {
                found.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    found.display().to_string()
}

/// `[--interval=DURATION …] CMD command`, or `NONE`.
fn health_check(text: &str) -> Result<Value, Fault> {
    some("HEALTHCHECK", text)?;
    let mut check = json!({});
    let mut rest = text;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        rest = after.trim_start();
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let key = match name {
            "interval" => "Interval",
            "timeout" => "Timeout",
            "start-period" => "StartPeriod",
            "start-interval" => "StartInterval",
            "retries" => "Retries",
            _ => return Err(Fault::Meaning(format!("flag provided but not defined: -{name}"))),
        };
        check[key] = if name == "retries" {
            let retries = value.parse::<u32>();
            let wrong = |_| Fault::Meaning(format!("strconv.ParseInt: parsing {value:?}: invalid syntax"));
            retries.map_err(wrong)?.into()
        } else {
            let wrong = || Fault::Meaning(format!("time: invalid duration {value:?}"));
            nanoseconds(value).ok_or_else(wrong)?.into()
        };
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    check["Test"] = match kind.to_ascii_uppercase().as_str() {
        "NONE" if command.is_empty() => json!(["NONE"]),
        "NONE" => return Err(Fault::Meaning("HEALTHCHECK NONE takes no arguments".to_owned())),
        "CMD" if command.is_empty() => {
            return Err(Fault::Meaning("Missing command after HEALTHCHECK CMD".to_owned()));
        }
        "CMD" => match array(command)? {
            Some(words) => std::iter::once("CMD".to_owned()).chain(words).collect(),
            None => json!(["CMD-SHELL", command]),
        },
        _ => return Err(Fault::Meaning(format!("Unknown type {kind:?} in HEALTHCHECK (try CMD)"))),
    };
    Ok(check)
}

/// A duration as Dockerfiles have it: `1h30m`, `500ms`, `1.5s`.
fn nanoseconds(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at(end);
        let end = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "it is checked to be small enough; parts of a nanosecond are none"
    )]
    (!text.is_empty() && sum < 9e18).then_some(sum as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(changes: &[&str]) -> Result<(ContainerConfig, Option<Value>), String> {
        let mut config = ContainerConfig { cmd: vec!["sh".into()], working_dir: "/".into(), ..Default::default() };
        let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
        let health = apply(&mut config, &changes).map_err(|error| error.to_string())?;
        Ok((config, health))
    }

    #[test]
    fn quotes_keep_words_together() {
        let (config, _) =
            of(&["LABEL x=\"a b\" \"y z\"='c $d' w=e\\ f", "ENV a=\"b c\" d=e", "ENV old   f  \"g\" "]).unwrap();
        let labels: Vec<(&str, &str)> = config.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(labels, [("w", "e f"), ("x", "a b"), ("y z", "c $d")]);
        assert_eq!(config.env, ["a=b c", "d=e", "old=f  g"]);
    }

    #[test]
    fn every_instruction_changes_what_it_names() {
        let (config, health) = of(&[
            "ENTRYPOINT [\"a b\", \"c\"]",
            "EXPOSE 80 90/udp \"91\"",
            "USER \"foo bar\"",
            "VOLUME [\"/a b\"]",
            "VOLUME /c /d",
            "WORKDIR /x",
            "WORKDIR ../y",
            "STOPSIGNAL SIGINT",
            "HEALTHCHECK --interval=1m30s --retries=2 CMD [\"ok\", \"x y\"]",
            "ENV A=1",
            "env=A=2\n# nothing\nLABEL l=m \\\n  n=o",
        ])
        .unwrap();
        assert_eq!((config.entrypoint.join("|"), config.cmd.len()), ("a b|c".to_owned(), 0));
        assert_eq!(config.exposed_ports.0.into_iter().collect::<Vec<_>>(), ["80/tcp", "90/udp", "91/tcp"]);
        assert_eq!(config.volumes.0.into_iter().collect::<Vec<_>>(), ["/a b", "/c", "/d"]);
        assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("foo bar", "/y"));
        assert_eq!(
            (config.stop_signal.as_str(), config.env, config.labels.len()),
            ("SIGINT", vec!["A=2".to_owned()], 2)
        );
        let expected = json!({"Test": ["CMD", "ok", "x y"], "Interval": 90_000_000_000_i64, "Retries": 2});
        assert_eq!(health.unwrap(), expected);
        let (config, _) = of(&["CMD echo \"a b\"", "ENTRYPOINT x"]).unwrap();
        assert_eq!(config.cmd, ["/bin/sh", "-c", "echo \"a b\""]);
        assert_eq!(of(&["CMD []"]).unwrap().0.cmd, ["sh"]);
    }

    #[test]
    fn what_cannot_be_is_refused_in_podman_s_words() {
        for (change, words) in [
            ("LABEL", "processing change \"LABEL\": LABEL requires at least one argument"),
            ("LABEL x", "parsing change set LABEL x: LABEL must have two arguments"),
            (
                "LABEL x=1 y",
                "parsing change set LABEL x=1 y: Syntax error - can't find = in \"y\". Must be of the form: name=value",
            ),
            (
                "LABEL x=\"a",
                "resolving change \"LABEL x=\\\"a\": unexpected end of statement while looking for matching double-quote",
            ),
            (
                "CMD [1]",
                "parsing change set CMD [1]: when using JSON array syntax, arrays must be comprised of strings only",
            ),
            ("USER", "processing change \"USER\": USER requires exactly one argument"),
            ("STOPSIGNAL 0", "processing change \"STOPSIGNAL 0\": Invalid signal: 0"),
            ("FOO x", "processing change \"FOO x\": did not understand change instruction \"FOO x\""),
            ("COPY a b", "processing change \"COPY a b\": ADD/COPY not supported as changes"),
            ("HEALTHCHECK FOO", "processing change \"HEALTHCHECK FOO\": Unknown type \"FOO\" in HEALTHCHECK (try CMD)"),
        ] {
            assert_eq!(of(&[change]).unwrap_err(), words);
        }
    }

    #[test]
    fn whatever_is_written_it_is_applied_or_refused() {
        haulout_fuzz::feed_text("instruction", |text| {
            let _ = of(&[text]);
        });
    }
}
