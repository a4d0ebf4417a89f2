// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The flags of `create` and `run`, and the options of a container that they come to.

mod cgroup;
mod device;
mod environment;
mod flags;
mod health;
mod health_changes;
mod image;
mod labels;
mod limits;
mod log;
mod mount;
mod namespaces;
mod network;
mod publish;
mod secret;
mod security;
mod service;
mod user;

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::Options;
use haulout_engine::container::options::mount::Mounts;
use haulout_engine::container::options::{Limits, Restart};
use haulout_engine::container::signal;

pub use environment::Env;
pub use flags::Flags;
pub use health_changes::HealthChangeFlags;
pub use image::platform;
pub use labels::annotations;
pub use limits::LimitFlags;

impl Flags {
    /// The container's options; `words` are the image and the command, `argv` the whole line.
    pub fn options(&self, words: &[String], argv: &[String]) -> Result<Options> {
        let [image, command @ ..] = words else {
            bail!("requires at least 1 arg(s), only received 0");
        };
        let restart = self.restart()?;
        if self.rm && restart != Restart::No {
            bail!(REMOVE_AND_RESTART);
        }
        if self.replace && self.name.as_deref().unwrap_or("").is_empty() {
            bail!("cannot replace container without --name being set");
        }
        self.image.check()?;
        let Mounts { volumes, tmpfs, images, special } = self.mount.mounts()?;
        self.security.check_capabilities()?;
        let (userns, userns_said) = self.namespaces.userns()?;
        let network = self.network.network()?;
        self.network.check_addresses()?;
        let hostname = given(self.network.hostname.as_ref());
        let rootfs = self.image.rootfs(image)?;
        Ok(Options {
            name: self.name()?,
            image: if rootfs.is_some() { String::new() } else { image.clone() },
            rootfs,
            command: command.to_vec(),
            entrypoint: self.entrypoint.as_deref().map(entrypoint),
            env: self.environment.variables()?,
            volumes,
            tmpfs,
            images,
            special,
            volumes_from: self.mount.volumes_from()?,
            image_volume: self.mount.image_volume()?,
            workdir: given(self.workdir.as_ref()).map(PathBuf::from),
            user: given(self.user.user.as_ref()).cloned(),
            hostname: hostname.cloned(),
            publish: self.network.published()?,
            add_host: self.network.added_hosts()?,
            cap_add: non_empty(&self.security.cap_add).cloned().collect(),
            cap_drop: non_empty(&self.security.cap_drop).cloned().collect(),
            security: self.security.security()?,
            privileged: self.security.privileged,
            userns,
            userns_said,
            read_only: self.mount.read_only,
            labels: self.labels.labels()?,
            annotations: self.labels.annotations()?,
            health: self.health.options()?,
            sdnotify: self.service.sdnotify()?,
            systemd: self.service.systemd()?,
            pidfile: self.service.pidfile()?,
            conmon_pidfile: self.service.conmon_pidfile()?,
            requires: self.service.requires(),
            remove_image: false,
            init: self.init,
            log: self.log.log()?,
            stop_signal: self.stop_signal()?,
            stop_timeout: self.stop_timeout,
            timeout: self.timeout,
            limits: Limits {
                conf: self.cgroup.conf()?,
                device_rules: self.device.rules()?,
                ..self.process_limits.with(self.limits.limits()?)
            },
            terminal: self.tty,
            interactive: self.interactive,
            remove: self.rm,
            cgroups: self.cgroup.cgroups()?,
            pull: self.image.pull_policy()?,
            restart,
            namespaces: self.namespaces.namespaces(hostname)?,
            names: self.network.names(&network)?,
            ulimits: self.process_limits.ulimits()?,
            shm_size: self.shm_size()?,
            sysctls: self.security.sysctls(&network)?,
            groups: self.user.groups()?,
            umask: self.user.umask()?,
            timezone: given(self.tz.as_ref()).cloned(),
            oom_score_adj: self.process_limits.oom_score(),
            unset_env: self.environment.unsetenv.clone(),
            unset_all_env: self.environment.unsetenv_all,
            env_merge: self.environment.merged()?,
            devices: self.device.devices()?,
            cdi_devices: self.device.cdi(),
            no_scratch: !self.mount.read_only_tmpfs,
            no_proxy: !self.environment.http_proxy,
            expose: self.network.exposed()?,
            publish_all: self.network.publish_all,
            network,
            secrets: self.mount.secrets()?,
            transient: false,
            settled: true,
            runtime: None,
            init_path: given(self.init_path.as_ref()).map(PathBuf::from),
            cgroup_parent: self.cgroup.parent(),
            personality: given(self.personality.as_ref()).cloned(),
            chroot_dirs: self.mount.chroot_folders(),
            systemd_size: self.mount.systemd_size()?,
            accounts: self.user.accounts(),
            id_file: self.id_file()?,
            create_command: argv.to_vec(),
            create_folder: std::env::current_dir().ok(),
        })
    }

    /// `--cidfile`, wherever its container is removed from.
    fn id_file(&self) -> Result<Option<String>> {
        let path = given(self.cidfile.as_ref()).map(std::path::absolute).transpose()?;
        Ok(path.map(|path| path.display().to_string()))
    }

    /// `--shm-size`, where there is a `/dev/shm` of its own.
    fn shm_size(&self) -> Result<Option<u64>> {
        let size = self.mount.shm_size()?;
        match self.namespaces.ipc.as_deref() {
            Some(mode @ ("none" | "host")) if size.is_some() => {
                bail!("invalid config provided: cannot set shmsize when running in the {{{mode} }} IPC Namespace")
            }
            _ => Ok(size),
        }
    }

    fn name(&self) -> Result<Option<haulout_engine::container::ContainerName>> {
        given(self.name.as_ref())
            .map(|name| {
                name.parse().map_err(|_| {
                    anyhow!(
                        "running container create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"
                    )
                })
            })
            .transpose()
    }

    fn stop_signal(&self) -> Result<Option<String>> {
        Ok(given(self.stop_signal.as_ref()).map(|text| signal::number(text).map(signal::name)).transpose()?)
    }

    fn restart(&self) -> Result<Restart> {
        match restart(self.restart.as_deref().unwrap_or("")) {
            Err(RestartError::NoPolicy(_)) if self.rm => bail!(REMOVE_AND_RESTART),
            Err(error @ RestartError::NoPolicy(_)) => bail!("running container create option: {error}"),
            other => Ok(other?),
        }
    }
}

/// Why something is no restart policy.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// There is none of that name.
    #[error("{0:?} is not a valid restart policy: invalid argument")]
    NoPolicy(String),
    /// Only `on-failure` is tried so often.
    #[error("restart policy retries can only be specified with on-failure restart policy")]
    Retries,
    /// How often is no number.
    #[error("parsing restart policy retry count: strconv.Atoi: parsing {0:?}: invalid syntax")]
    Count(String),
    /// Less than none.
    #[error("must specify restart policy retry count as a number greater than 0")]
    Negative,
}

/// Reads a `--restart`: `always`, `on-failure:3`.
pub fn restart(text: &str) -> Result<Restart, RestartError> {
    let (policy, retries) = text.split_once(':').map_or((text, None), |(policy, retries)| (policy, Some(retries)));
    if retries.is_some() && policy != "on-failure" {
        return Err(RestartError::Retries);
    }
    match policy {
        "" | "no" | "never" => Ok(Restart::No),
        "always" => Ok(Restart::Always),
        "unless-stopped" => Ok(Restart::UnlessStopped),
        "on-failure" => {
            let count = |text: &str| match text.parse::<i64>() {
                Ok(count) if count < 0 => Err(RestartError::Negative),
                _ => text.parse().map_err(|_| RestartError::Count(text.to_owned())),
            };
            Ok(Restart::OnFailure(retries.map(count).transpose()?))
        }
        _ => Err(RestartError::NoPolicy(policy.to_owned())),
    }
}

const REMOVE_AND_RESTART: &str =
    "the --rm option conflicts with --restart, when the restartPolicy is not \"\" and \"no\"";

/// A value that was given and is not empty.
fn given(value: Option<&String>) -> Option<&String> {
    value.filter(|text| !text.is_empty())
}

fn non_empty(values: &[String]) -> impl Iterator<Item = &String> {
    values.iter().filter(|text| !text.is_empty())
}

/// A JSON array of words, or one word; nothing at all removes the image's.
fn entrypoint(text: &str) -> Vec<String> {
    match serde_json::from_str(text) {
        Ok(words) => words,
        Err(_) if text.is_empty() => Vec::new(),
        Err(_) => vec![text.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args as _, Command, FromArgMatches as _};
    use haulout_engine::container::options::{Cgroups, Log, LogDriver, Network, PullPolicy, Seccomp, Security};
    use std::collections::BTreeMap;

    fn options(line: &[&str]) -> Result<Options, String> {
        let command = crate::flags::as_podman_takes_them(Flags::augment_args(Command::new("create")));
        let matches = command.try_get_matches_from(std::iter::once("create").chain(line.iter().copied())).unwrap();
        let words = ["img".to_owned(), "cmd".to_owned()];
        Flags::from_arg_matches(&matches).unwrap().options(&words, &[]).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn nothing_said_is_podmans_default() {
        let expected = Options { image: "img".into(), command: vec!["cmd".into()], ..Options::default() };
        let expected = Options { log: Log { driver: LogDriver::Default, ..Log::default() }, settled: true, ..expected };
        // What it is called in.
        let expected = Options { create_folder: std::env::current_dir().ok(), ..expected };
        assert_eq!(options(&[]).unwrap(), expected);
    }

    #[test]
    fn every_flag_arrives() {
        let options = options(&[
            "--name=n",
            "--entrypoint",
            "[\"a\",\"b\"]",
            "-e",
            "A=b",
            "-w",
            "/w",
            "-u",
            "1:2",
            "-h",
            "host",
            "-p",
            "80,81:81/udp",
            "--network",
            "pasta:-t,80",
            "--add-host",
            "a;b:::1,c:host-gateway",
            "--cap-add",
            "a,b",
            "--cap-drop",
            "c",
            "--security-opt",
            "no-new-privileges",
            "--security-opt",
            "seccomp=unconfined",
            "--security-opt",
            "label=disable",
            "--privileged",
            "--userns=host",
            "--read-only",
            "-l",
            "k=v=w",
            "--label",
            "bare",
            "--annotation",
            "x=y",
            "--init",
            "--log-driver=journald",
            "--log-opt",
            "tag=t",
            "--log-opt",
            "max-size=1m",
            "--stop-signal",
            "int",
            "--stop-timeout=3",
            "--timeout=4",
            "-m",
            "512m",
            "--cpus=.5",
            "--pids-limit=-1",
            "-it",
            "--rm",
            "--cgroups=split",
            "--pull=never",
        ])
        .unwrap();
        assert_eq!(options.name.unwrap().as_str(), "n");
        assert_eq!(options.entrypoint.unwrap(), ["a", "b"]);
        assert_eq!(options.env, [("A".to_owned(), "b".to_owned())]);
        assert_eq!(options.workdir.unwrap(), PathBuf::from("/w"));
        assert_eq!(options.publish.len(), 2);
        assert_eq!(options.network, Network::Pasta(vec!["-t".into(), "80".into()]));
        assert_eq!(options.add_host[0], ("a;b".to_owned(), Some("::1".parse().unwrap())));
        assert_eq!(options.add_host[1], ("c".to_owned(), None));
        assert_eq!(options.cap_add, ["a", "b"]);
        assert_eq!(
            options.security,
            Security {
                seccomp: Seccomp::Unconfined,
                no_new_privileges: true,
                labels: vec!["disable".into()],
                ..Security::default()
            }
        );
        assert_eq!(options.labels, BTreeMap::from([("k".into(), "v=w".into()), ("bare".into(), String::new())]));
        assert_eq!(
            options.log,
            Log { driver: LogDriver::Journald, max_size: Some(1_000_000), tag: Some("t".into()), path: None }
        );
        assert_eq!(options.stop_signal.as_deref(), Some("SIGINT"));
        assert_eq!(
            options.limits,
            Limits { memory: Some(512 << 20), cpus: Some(0.5), pids: Some(-1), ..Limits::default() }
        );
        assert!(options.terminal && options.interactive && options.remove && options.privileged && options.init);
        assert_eq!((options.cgroups, options.pull), (Cgroups::Split, PullPolicy::Never));
    }

    #[test]
    fn an_entrypoint_is_a_list_a_word_or_nothing() {
        assert_eq!(entrypoint("a b"), ["a b"]);
        assert_eq!(entrypoint("[\"a"), ["[\"a"]);
        assert!(entrypoint("").is_empty() && entrypoint("[]").is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_podmans_words() {
        for (line, message) in [
            (&["-v/tmp:/x", "-v/etc:/x/"][..], "/x: duplicate mount destination"),
            (&["-v/tmp:/x", "--tmpfs=/x"], "/x: duplicate mount destination"),
            (
                &["--cap-add=net_admin", "--cap-drop=CAP_NET_ADMIN"],
                "capability \"CAP_NET_ADMIN\" cannot be dropped and added",
            ),
            (&["--cap-add=all", "--cap-drop=ALL"], "adding all caps and removing all caps not allowed"),
            (&["--network=foo"], "unable to find network with name or ID foo: network not found"),
            (
                &["--network=none", "--network=host"],
                "cannot set multiple networks without bridge network mode, selected mode none: invalid argument",
            ),
            (&["--userns=foo"], "unrecognized namespace mode foo passed"),
            (&["--security-opt=foo"], "invalid --security-opt 1: \"foo\""),
            (&["--security-opt=foo:bar"], "invalid --security-opt 2: \"foo:bar\""),
            (
                &["--security-opt=seccomp=/nonexistent"],
                "opening seccomp profile failed: open /nonexistent: no such file or directory",
            ),
            (&["--log-driver=foo"], "running container create option: invalid log driver: invalid argument"),
            (&["--log-opt=x"], "invalid log option \"x\""),
            (&["--log-opt=max-size=x"], "invalid size: 'x'"),
            (&["--rm", "--restart=always"], REMOVE_AND_RESTART),
            (&["--rm", "--restart=foo"], REMOVE_AND_RESTART),
            (
                &["--restart=foo"],
                "running container create option: \"foo\" is not a valid restart policy: invalid argument",
            ),
            (
                &["--restart=on-failure:x"],
                "parsing restart policy retry count: strconv.Atoi: parsing \"x\": invalid syntax",
            ),
            (&["--restart=always:3"], "restart policy retries can only be specified with on-failure restart policy"),
            (&["--pull=foo"], "unsupported pull policy \"foo\""),
            (&["--cgroups=foo"], "running container create option: invalid cgroup mode \"foo\": invalid argument"),
            (
                &["--name=a b"],
                "running container create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
            ),
            (&["--add-host=foo"], "bad format for add-host: \"foo\""),
            (&["--add-host=foo:bar"], "invalid IP address in add-host: \"bar\""),
            (&["--annotation=foo"], "annotations must be formatted KEY=VALUE"),
            (&["--label==foo"], "unable to process labels: invalid label format: \"=foo\""),
            (&["--label-file=/nonexistent"], "unable to process labels: open /nonexistent: no such file or directory"),
            (&["--memory=x"], "invalid value for memory: invalid size: 'x'"),
            (&["--memory=-1"], "invalid value for memory: invalid size: '-1'"),
            (&["--stop-signal=FOO"], "invalid signal: FOO"),
            (&["--replace"], "cannot replace container without --name being set"),
        ] {
            assert_eq!(options(line).unwrap_err(), message, "{line:?}");
        }
        let both = platform(Some(&"linux/amd64".to_owned()), None, Some(&"arm64".to_owned()), None);
        assert_eq!(both.unwrap_err().to_string(), "--platform option can not be specified with --arch or --os");
        assert_eq!(platform(None, None, Some(&"arm64".to_owned()), None).unwrap().as_deref(), Some("linux/arm64"));
    }
}
