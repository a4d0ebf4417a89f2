// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Making an image of one layer from the tar of a root filesystem.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::SystemTime;

use futures_util::StreamExt as _;
use nix::sys::signal::Signal;

use super::document::{self, ContainerConfig};
use super::install::sweep;
use super::names::new_name;
use super::platform::Platform;
use super::progress::Reporter;
use super::reference::Reference;
use super::{PullLayer, PullProgress, announce, input};
use crate::config::Folders;
use crate::config::policy::Policy;
use crate::digest::Digest;
use crate::engine::{Engine, Error};
use crate::state::images;
use crate::store::{self, Commit, Staging, UnpackFailure};

/// What is to become of a tar.
#[derive(Debug)]
pub(super) struct Import {
    name: Option<Reference>,
    config: ContainerConfig,
    message: String,
    platform: Platform,
    /// The file that says which images are let in, instead of policy.json.
    policy: Option<PathBuf>,
}

/// What is to be said of an image that is made from a tar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Dockerfile lines (`CMD ["sh"]`).
    pub changes: Vec<String>,
    /// Why.
    pub message: String,
    /// For which system it is; this machine's when nothing.
    pub os: Option<String>,
    /// For which processor; this machine's when nothing.
    pub arch: Option<String>,
    /// Which kind of that.
    pub variant: Option<String>,
    /// The file that says which images are let in, instead of policy.json.
    pub policy: Option<PathBuf>,
}

impl Import {
    pub(super) fn parse(name: Option<&str>, options: &ImportOptions) -> Result<Self, Error> {
        let name = name.map(new_name).transpose()?;
        let mut config = ContainerConfig::default();
        for change in &options.changes {
            apply(&mut config, change)
                .map_err(|reason| Error::Invalid(format!("invalid change {change:?} - {reason}")))?;
        }
        let message = if options.message.is_empty() { "imported from tarball" } else { &options.message };
        let asked = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let here = Platform::of_this_machine();
        let platform = Platform {
            os: asked(&options.os).unwrap_or(here.os),
            arch: asked(&options.arch).unwrap_or(here.arch),
            variant: asked(&options.variant),
        };
        Ok(Self { name, config, message: message.to_owned(), platform, policy: options.policy.clone() })
    }

    pub(super) async fn run(self, engine: Engine, tar: OwnedFd, reporter: Reporter) -> Result<(), Error> {
        let file = File::from(tar);
        let metadata = file.metadata().map_err(reading)?;
        // The same file makes the same image, whenever.
        let created = if metadata.is_file() { metadata.modified().map_err(reading)? } else { SystemTime::now() };
        let created = jiff::Timestamp::try_from(created)
            .map_err(|error| Error::Invalid(format!("the time of the tar: {error}")))?;

        let (policy, path) = (self.policy.clone(), input::path_of(&file));
        let admit = move || {
            Policy::chosen(policy.as_deref(), &Folders::from_environment())?.admit_from("tarball", path.as_deref())?;
            Ok(())
        };
        engine.blocking("reading policy.json", admit).await?;
        let (staging, garbage) = Staging::make(&engine).await?;
        sweep(&engine, garbage);
        let length = if metadata.is_file() { metadata.len() } else { 0 };
        reporter.say(PullProgress::Layers(vec![PullLayer { blob: PullLayer::UNNAMED, size: length, present: false }]));
        let outcome = self.commit(&engine, &staging, file, created, &reporter).await;
        if let Err(error) = staging.close().await {
            tracing::warn!("{error}");
        }
        let id = outcome?;
        match &self.name {
            Some(name) => announce(&engine, "tag", &id, &name.to_string()),
            None => announce(&engine, "import", &id, ""),
        }
        let name = self.name.map_or_else(|| id.to_string(), |name| name.to_string());
        reporter.say(PullProgress::Done { id, name });
        Ok(())
    }

    async fn commit(
        &self,
        engine: &Engine,
        staging: &Staging,
        tar: File,
        created: jiff::Timestamp,
        reporter: &Reporter,
    ) -> Result<Digest, Error> {
        let mut received = 0;
        let progress = reporter.clone();
        let bytes = input::bytes(tar.into()).map(move |bytes| {
            let bytes = bytes.map_err(reading)?;
            received += bytes.len() as u64;
            progress.say(PullProgress::Fetched { blob: PullLayer::UNNAMED, bytes: received });
            Ok(bytes)
        });
        let unpacked = staging.unpack("layer", bytes).await.map_err(|failure| match failure {
            UnpackFailure::Layer(error) => Error::Invalid(format!("unpacking the tar: {error}")),
            UnpackFailure::Other(error) => error,
        })?;
        let layer = unpacked.layer;
        for blob in [PullLayer::UNNAMED, layer.diff_id] {
            reporter.say(PullProgress::Unpacked { blob });
        }
        reporter.say(PullProgress::Committing);

        let config = document::imported_config(created, &self.platform, &self.config, layer.diff_id, &self.message);
        let manifest = document::oci_manifest(&config, layer.diff_id, layer.tar_size);
        let (id, digest) = (Digest::of(&config), Digest::of(&manifest));
        let folder = staging.path().to_owned();
        engine.blocking("syncing an image", move || Ok(store::sync(&folder)?)).await?;
        let paths = engine.paths().clone();
        let names: Vec<Reference> = self.name.iter().cloned().collect();
        let committed = engine.state(move |database| {
            let image = images::New {
                id,
                digest,
                index: None,
                config: &config,
                manifest: &manifest,
                created: created.as_second(),
                layers: &[layer.diff_id],
                names: &names,
            };
            Ok(store::commit(database, &paths, &Commit { image, unpacked: &[unpacked] }))
        });
        // Its only layer is in our hands, so none can be missing.
        committed.await??;
        Ok(id)
    }
}

fn reading(source: io::Error) -> Error {
    Error::Io { doing: "reading the tar".to_owned(), source }
}

/// Applies one `--change`, as Podman reads them: an instruction, a space or an equals sign, and the rest as it is.
fn apply(config: &mut ContainerConfig, change: &str) -> Result<(), String> {
    let (instruction, value) =
        change.split_once(' ').or_else(|| change.split_once('=')).ok_or("must be formatted as KEY VALUE")?;
    let instruction = instruction.to_uppercase();
    let filled = || if value.is_empty() { None } else { Some(value.to_owned()) };
    match instruction.as_str() {
        "USER" => config.user = filled().ok_or("must provide a value to USER")?,
        "EXPOSE" => {
            config.exposed_ports.0.insert(port(value)?);
        }
        "ENV" => {
            let (key, value) = value.split_once('=').unwrap_or((value, ""));
            if key.is_empty() {
                return Err("ENV must have at least one argument".to_owned());
            }
            config.env.push(format!("{key}={value}"));
        }
        "ENTRYPOINT" => config.entrypoint = words(value),
        "CMD" => config.cmd = words(value),
        "VOLUME" => {
            let places = json(value).unwrap_or_else(|| value.split_whitespace().map(str::to_owned).collect());
            if places.is_empty() {
                return Err("must provide at least one argument to VOLUME".to_owned());
            }
            config.volumes.0.extend(places);
        }
        "WORKDIR" => config.working_dir = filled().ok_or("must provide a non-empty WORKDIR")?,
        "LABEL" => {
            let (key, value) = value.split_once('=').ok_or("LABEL must be formatted key=value")?;
            if key.is_empty() {
                return Err("LABEL must be formatted key=value".to_owned());
            }
            config.labels.insert(key.to_owned(), value.to_owned());
        }
        "STOPSIGNAL" => config.stop_signal = signal(value)?,
        // Only another build would do it.
        "ONBUILD" => {}
        other => return Err(format!("invalid instruction {other}")),
    }
    Ok(())
}

/// A JSON list of words; nothing when it is none.
fn json(value: &str) -> Option<Vec<String>> {
    serde_json::from_str(value).ok()
}

/// A command: a JSON list, or a line for the shell.
fn words(value: &str) -> Vec<String> {
    json(value).unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned(), value.to_owned()])
}

/// `PORT[/PROTOCOL]` as a configuration has it.
fn port(value: &str) -> Result<String, String> {
    let (number, protocol) = value.split_once('/').unwrap_or((value, "tcp"));
    let protocol = protocol.to_lowercase();
    if protocol != "tcp" && protocol != "udp" {
        return Err("EXPOSE protocol must be TCP or UDP".to_owned());
    }
    match number.parse::<i64>() {
        Err(_) => Err(format!("EXPOSE port must be an integer: {number:?}")),
        Ok(number @ 1..=65535) => Ok(format!("{number}/{protocol}")),
        Ok(_) => Err("EXPOSE port must be a valid port number".to_owned()),
    }
}

/// A signal's number, whatever it was called.
fn signal(value: &str) -> Result<String, String> {
    let invalid = || format!("KILLSIGNAL must be given a valid signal: invalid signal: {value}");
    if let Ok(number) = value.parse::<u8>() {
        return if (1..=64).contains(&number) { Ok(number.to_string()) } else { Err(invalid()) };
    }
    let upper = value.to_uppercase();
    let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    if let Some(beyond) = name.strip_prefix("SIGRTMIN") {
        let beyond =
            if beyond.is_empty() { Some(0) } else { beyond.strip_prefix('+').and_then(|text| text.parse().ok()) };
        return beyond.filter(|beyond: &u8| *beyond <= 30).map(|beyond| (34 + beyond).to_string()).ok_or_else(invalid);
    }
    Signal::from_str(&name).map(|signal| (signal as i32).to_string()).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(changes: &[&str]) -> Result<ContainerConfig, String> {
        let mut config = ContainerConfig::default();
        for change in changes {
            apply(&mut config, change)?;
        }
        Ok(config)
    }

    #[test]
    fn changes_are_read_as_podman_reads_them() {
        let config = of(&[
            "CMD [\"sh\",\"-c\",\"x\"]",
            "ENV A=b C=d",
            "env X",
            "ENV=Y=z",
            "EXPOSE 80",
            "EXPOSE 90/UDP",
            "LABEL x=y \"z w\"=\"a b\"",
            "LABEL l=",
            "USER u",
            "VOLUME /v /w",
            "VOLUME [\"/q\"]",
            "WORKDIR /x",
            "STOPSIGNAL SIGINT",
            "ENTRYPOINT foo bar",
            "ONBUILD RUN x",
        ])
        .unwrap();
        assert_eq!(config.cmd, ["sh", "-c", "x"]);
        assert_eq!(config.env, ["A=b C=d", "X=", "Y=z"]);
        assert_eq!(config.exposed_ports.0.into_iter().collect::<Vec<_>>(), ["80/tcp", "90/udp"]);
        assert_eq!(config.labels["x"], "y \"z w\"=\"a b\"");
        assert_eq!(config.labels["l"], "");
        assert_eq!(config.volumes.0.into_iter().collect::<Vec<_>>(), ["/q", "/v", "/w"]);
        assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("u", "/x"));
        assert_eq!(config.stop_signal, "2");
        assert_eq!(config.entrypoint, ["/bin/sh", "-c", "foo bar"]);
    }

    #[test]
    fn what_cannot_be_is_refused_in_podman_s_words() {
        for (change, words) in [
            ("CMD", "must be formatted as KEY VALUE"),
            ("", "must be formatted as KEY VALUE"),
            ("RUN x", "invalid instruction RUN"),
            ("CMD=sh -c x", "invalid instruction CMD=SH"),
            ("EXPOSE 80/foo", "EXPOSE protocol must be TCP or UDP"),
            ("EXPOSE 99999", "EXPOSE port must be a valid port number"),
            ("EXPOSE a", "EXPOSE port must be an integer"),
            ("LABEL a b", "LABEL must be formatted key=value"),
            ("ENV =x", "ENV must have at least one argument"),
            ("USER ", "must provide a value to USER"),
            ("WORKDIR ", "must provide a non-empty WORKDIR"),
            ("STOPSIGNAL FOO", "KILLSIGNAL must be given a valid signal: invalid signal: FOO"),
        ] {
            let error = of(&[change]).unwrap_err();
            assert!(error.contains(words), "{change}: {error}");
        }
    }

    #[test]
    fn a_signal_has_many_names() {
        for (name, number) in [("9", "9"), ("KILL", "9"), ("sigterm", "15"), ("RTMIN+3", "37"), ("SIGRTMIN", "34")] {
            assert_eq!(signal(name).as_deref(), Ok(number));
        }
    }
}
