// SPDX-License-Identifier: Apache-2.0 OR MIT
//! containers.conf as the defaults of flags: what it says becomes words of the command line, before those that were typed.
//!
//! So a value is read as the flag's own is, and the typed one wins, `--init=false` too.

use anyhow::{Result, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use haulout_engine::config::containers::{List, Settings};

use crate::time;

/// A flag that `create` and `run` have, and nothing else.
const OF_CREATE: &str = "image-volume";

/// The words to put before those that were typed; `matches` is what these came to.
pub fn words(settings: &Settings, command: &Command, matches: &ArgMatches) -> Result<Vec<String>> {
    let mut verb = Verb { command, matches, words: Vec::new() };
    verb.of_every_verb(settings)?;
    if verb.has(OF_CREATE) {
        verb.of_create(settings);
    }
    Ok(verb.words)
}

struct Verb<'a> {
    command: &'a Command,
    matches: &'a ArgMatches,
    words: Vec<String>,
}

impl Verb<'_> {
    fn has(&self, flag: &str) -> bool {
        self.command.get_arguments().any(|arg| arg.get_long() == Some(flag))
    }

    fn was_typed(&self, flag: &str) -> bool {
        let arg = self.command.get_arguments().find(|arg| arg.get_long() == Some(flag));
        arg.is_some_and(|arg| self.matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine))
    }

    /// The values of a flag as they were typed.
    fn typed(&self, flag: &str) -> Vec<String> {
        let arg = self.command.get_arguments().find(|arg| arg.get_long() == Some(flag));
        let values = arg.and_then(|arg| self.matches.get_raw(arg.get_id().as_str()));
        values.into_iter().flatten().map(|value| value.to_string_lossy().into_owned()).collect()
    }

    /// One value, unless another was typed.
    fn one(&mut self, flag: &str, value: Option<impl ToString>) {
        if let Some(value) = value
            && self.has(flag)
            && !self.was_typed(flag)
        {
            self.words.push(format!("--{flag}={}", value.to_string()));
        }
    }

    /// Values beside those that were typed.
    fn all(&mut self, flag: &str, values: &List) {
        if self.has(flag) {
            self.words.extend(values.items().iter().map(|value| format!("--{flag}={value}")));
        }
    }

    fn of_every_verb(&mut self, settings: &Settings) -> Result<()> {
        let engine = &settings.engine;
        self.one("retry", engine.retry);
        let delay = said(engine.retry_delay.as_ref());
        if let Some(delay) = delay.filter(|delay| self.has("retry-delay") && time::duration(delay).is_none()) {
            bail!("failed to parse containers.conf retry_delay: time: invalid duration {delay:?}");
        }
        self.one("retry-delay", delay);
        self.one("detach-keys", engine.detach_keys.as_ref());
        self.one("multi-image-archive", engine.multi_image_archive);
        if !self.was_typed("add-compression") {
            self.all("add-compression", &engine.add_compression);
        }
        // The old format of images knows one compression.
        if self.typed("format").iter().all(|format| format == "oci") {
            self.one("compression-format", said(engine.compression_format.as_ref()));
            self.one("compression-level", engine.compression_level);
        }
        Ok(())
    }

    fn of_create(&mut self, settings: &Settings) {
        let (containers, engine) = (&settings.containers, &settings.engine);
        self.one("cgroups", said(containers.cgroups.as_ref()));
        self.one("cgroupns", said(containers.cgroupns.as_ref()));
        self.one("ipc", said(containers.ipcns.as_ref()));
        self.one("pid", said(containers.pidns.as_ref()));
        self.one("uts", said(containers.utsns.as_ref()));
        self.one("network", said(containers.netns.as_ref()));
        self.one("env-host", containers.env_host);
        self.one("http-proxy", containers.http_proxy);
        // Nothing but the first process can be init.
        let shares = self.typed("pid").iter().any(|mode| !["", "private"].contains(&mode.as_str()));
        self.one("init", containers.init.filter(|_| !shares));
        self.one("no-hosts", containers.no_hosts);
        self.one("privileged", containers.privileged);
        self.one("read-only", containers.read_only);
        self.one("pull", said(engine.pull_policy.as_ref()));
        let mode = engine.image_volume_mode.as_deref().map(|mode| if mode == "nil" { "ignore" } else { mode });
        self.one("image-volume", mode.filter(|mode| !mode.is_empty()));
        self.all("cgroup-conf", &containers.cgroup_conf);
        self.all("mount", &containers.mounts);
        self.all("device", &containers.devices);
        let taken: Vec<String> =
            self.typed("volume").iter().chain(&self.typed("tmpfs")).map(|text| destination(text).to_owned()).collect();
        let free =
            containers.volumes.items().iter().filter(|text| !taken.iter().any(|place| place == destination(text)));
        self.words.extend(free.map(|text| format!("--volume={text}")));
    }
}

/// A text that says something.
fn said(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.is_empty())
}

/// Where `-v` mounts: `SOURCE:DESTINATION[:OPTIONS]`, or a destination alone. `--tmpfs DESTINATION[:OPTIONS]` likewise.
fn destination(text: &str) -> &str {
    let mut parts = text.split(':');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let place = second.filter(|second| second.starts_with('/')).unwrap_or(first);
    if place.len() > 1 { place.trim_end_matches('/') } else { place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volumes_destination_is_its_second_part_or_all_there_is() {
        for (text, place) in [("/a:/b:ro", "/b"), ("name:/b/", "/b"), ("/a", "/a"), ("/a:size=1m", "/a"), ("/", "/")] {
            assert_eq!(destination(text), place);
        }
    }
}
