// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The flags of `create` and `run`, and the options of a container that they come to.

mod env;
mod flags;
mod mount;
mod process;
mod publish;
mod secret;
mod volume;

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::Options;
use haulout_engine::container::options::{Cgroups, IdMap, Log, LogDriver, Network, PullPolicy, Restart, Userns};

pub use env::Env;
pub use flags::Flags;
use mount::Mounts;

use crate::exit::os_words;
use crate::{signal, size};

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
        let Mounts { volumes, tmpfs, images, special } = self.mounts()?;
        self.check_capabilities()?;
        let (userns, userns_said) = self.userns()?;
        let network = self.network()?;
        Ok(Options {
            name: self.name()?,
            image: image.clone(),
            command: command.to_vec(),
            entrypoint: self.entrypoint.as_deref().map(entrypoint),
            env: self.env()?,
            volumes,
            tmpfs,
            images,
            special,
            volumes_from: self.volumes_from()?,
            image_volume: self.image_volume()?,
            workdir: given(self.workdir.as_ref()).map(PathBuf::from),
            user: given(self.user.as_ref()).cloned(),
            hostname: given(self.hostname.as_ref()).cloned(),
            publish: non_empty(&self.publish).map(|text| publish::parse(text)).collect::<Result<_>>()?,
            add_host: self.add_host.iter().map(|text| add_host(text)).collect::<Result<_>>()?,
            cap_add: non_empty(&self.cap_add).cloned().collect(),
            cap_drop: non_empty(&self.cap_drop).cloned().collect(),
            security: self.security()?,
            privileged: self.privileged,
            userns,
            userns_said,
            read_only: self.read_only,
            labels: self.labels()?,
            annotations: self.annotations()?,
            init: self.init,
            log: self.log()?,
            stop_signal: self.stop_signal()?,
            stop_timeout: self.stop_timeout,
            timeout: self.timeout,
            limits: self.limits()?,
            terminal: self.tty,
            interactive: self.interactive,
            remove: self.rm,
            cgroups: self.cgroups()?,
            pull: self.pull_policy()?,
            restart,
            namespaces: self.namespaces()?,
            names: self.names(&network)?,
            ulimits: self.ulimits()?,
            shm_size: self.shm_size()?,
            sysctls: self.sysctls(&network)?,
            groups: self.groups()?,
            umask: self.umask()?,
            timezone: given(self.tz.as_ref()).cloned(),
            oom_score_adj: self.oom_score_adj.map(|score| i32::try_from(score.clamp(-1000, 1000)).unwrap_or(0)),
            unset_env: self.unsetenv.clone(),
            unset_all_env: self.unsetenv_all,
            env_merge: self.env_merge()?,
            devices: self.devices()?,
            no_scratch: !self.read_only_tmpfs,
            no_proxy: !self.http_proxy,
            expose: self.exposed()?,
            publish_all: self.publish_all,
            network,
            secrets: self.secret.iter().map(|text| secret::parse(text)).collect::<Result<_>>()?,
            create_command: argv.to_vec(),
        })
    }

    /// `os/arch[/variant]` of the image to pull, when it is not the machine's.
    pub fn platform(&self) -> Result<Option<String>> {
        platform(self.platform.as_ref(), self.os.as_ref(), self.arch.as_ref(), self.variant.as_ref())
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

    fn env(&self) -> Result<Vec<(String, String)>> {
        let mut env = Env::default();
        if self.env_host {
            env.add_host();
        }
        self.env_file.iter().try_for_each(|path| env.add_file(path))?;
        self.env.iter().try_for_each(|text| env.add(text))?;
        Ok(env.into_inner())
    }

    fn check_capabilities(&self) -> Result<()> {
        let plain = |name: &String| {
            let name = name.to_uppercase();
            name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name)
        };
        let dropped: Vec<String> = self.cap_drop.iter().map(plain).collect();
        match self.cap_add.iter().map(plain).find(|name| name != "ALL" && dropped.contains(name)) {
            Some(name) => bail!("capability \"CAP_{name}\" cannot be dropped and added"),
            None => Ok(()),
        }
    }

    fn network(&self) -> Result<Network> {
        let [network] = self.network.as_slice() else {
            return match self.network.first() {
                None => Ok(Network::Default),
                Some(first) => bail!(
                    "cannot set multiple networks without bridge network mode, selected mode {first}: invalid argument"
                ),
            };
        };
        match network.split_once(':') {
            None => match network.as_str() {
                "" | "default" | "private" => Ok(Network::Default),
                "none" => Ok(Network::None),
                "host" => Ok(Network::Host),
                "pasta" => Ok(Network::Pasta(Vec::new())),
                _ => bail!("unable to find network with name or ID {network}: network not found"),
            },
            Some(("pasta", words)) => {
                Ok(Network::Pasta(words.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()))
            }
            Some((name, _)) => bail!("unable to find network with name or ID {name}: network not found"),
        }
    }

    fn userns(&self) -> Result<(Userns, bool)> {
        let maps = |texts: &[String], kind| {
            texts.iter().map(|text| IdMap::parse(text, kind)).collect::<Result<Vec<IdMap>, _>>()
        };
        let (users, groups) = (maps(&self.uidmap, "UID")?, maps(&self.gidmap, "GID")?);
        let (user_name, group_name) = (given(self.subuidname.as_ref()), given(self.subgidname.as_ref()));
        if !users.is_empty() || !groups.is_empty() || user_name.is_some() || group_name.is_some() {
            if self.userns.is_some() {
                bail!("--userns and --uidmap/--gidmap/--subuidname/--subgidname are mutually exclusive");
            }
            let (user_name, group_name) = (user_name.cloned(), group_name.cloned());
            return Ok((Userns::Maps { users, groups, user_name, group_name }, true));
        }
        let environment = std::env::var("PODMAN_USERNS").ok().filter(|mode| !mode.is_empty());
        match self.userns.clone().filter(|mode| !mode.is_empty()).or(environment) {
            Some(mode) => match mode.strip_prefix("ns:") {
                Some(path) => {
                    let why = fs::metadata(path)
                        .err()
                        .map_or("it is of no use without its map".to_owned(), |error| os_words(&error));
                    bail!("cannot find specified user namespace path: faccessat {path}: {why}")
                }
                None => Ok((mode.parse::<Userns>()?, true)),
            },
            None => Ok((Userns::Host, self.userns.is_some())),
        }
    }

    fn labels(&self) -> Result<BTreeMap<String, String>> {
        let mut labels = BTreeMap::new();
        let mut add = |text: &str| match text.split_once('=').unwrap_or((text, "")) {
            ("", _) => bail!("unable to process labels: invalid label format: {text:?}"),
            (key, value) => {
                labels.insert(key.to_owned(), value.to_owned());
                Ok(())
            }
        };
        for path in &self.label_file {
            let text = fs::read_to_string(path)
                .map_err(|error| anyhow!("unable to process labels: open {path}: {}", os_words(&error)))?;
            text.lines().map(str::trim).filter(|line| !line.is_empty()).try_for_each(&mut add)?;
        }
        self.label.iter().try_for_each(|text| add(text))?;
        Ok(labels)
    }

    fn annotations(&self) -> Result<BTreeMap<String, String>> {
        let entries = self.annotation.iter().map(|text| match text.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => bail!("annotations must be formatted KEY=VALUE"),
        });
        entries.collect()
    }

    fn log(&self) -> Result<Log> {
        let driver = match self.log_driver.as_deref() {
            None | Some("") => LogDriver::Default,
            Some("k8s-file" | "json-file") => LogDriver::K8sFile,
            Some("journald") => LogDriver::Journald,
            Some("none") => LogDriver::None,
            Some(_) => bail!("running container create option: invalid log driver: invalid argument"),
        };
        let mut log = Log { driver, ..Log::default() };
        for option in &self.log_opt {
            match option.split_once('=') {
                None => bail!("invalid log option {option:?}"),
                Some(("max-size", text)) => {
                    log.max_size = Some(size::parse(text).ok_or_else(|| anyhow!("invalid size: '{text}'"))?);
                }
                Some(("tag", tag)) => log.tag = Some(tag.to_owned()),
                // Others are the business of other drivers; podman says nothing of them either.
                Some(_) => {}
            }
        }
        Ok(log)
    }

    fn stop_signal(&self) -> Result<Option<String>> {
        given(self.stop_signal.as_ref()).map(|text| signal::parse(text).map(signal::name)).transpose()
    }

    fn cgroups(&self) -> Result<Cgroups> {
        match self.cgroups.as_str() {
            "" | "enabled" | "no-conmon" => Ok(Cgroups::Enabled),
            "split" => Ok(Cgroups::Split),
            "disabled" => Ok(Cgroups::Disabled),
            mode => bail!("running container create option: invalid cgroup mode {mode:?}: invalid argument"),
        }
    }

    fn pull_policy(&self) -> Result<PullPolicy> {
        match self.pull.to_ascii_lowercase().as_str() {
            "" | "missing" | "ifnotpresent" => Ok(PullPolicy::Missing),
            "always" => Ok(PullPolicy::Always),
            "never" => Ok(PullPolicy::Never),
            "newer" | "ifnewer" => Ok(PullPolicy::Newer),
            _ => bail!("unsupported pull policy {:?}", self.pull),
        }
    }

    fn restart(&self) -> Result<Restart> {
        let text = self.restart.as_deref().unwrap_or("");
        let (policy, retries) = text.split_once(':').map_or((text, None), |(policy, retries)| (policy, Some(retries)));
        if retries.is_some() && policy != "on-failure" {
            bail!("restart policy retries can only be specified with on-failure restart policy");
        }
        match policy {
            "" | "no" | "never" => Ok(Restart::No),
            "always" => Ok(Restart::Always),
            "unless-stopped" => Ok(Restart::UnlessStopped),
            "on-failure" => Ok(Restart::OnFailure(
                retries
                    .map(|text| {
                        text.parse().map_err(|_| {
                            anyhow!(
                                "parsing restart policy retry count: strconv.Atoi: parsing {text:?}: invalid syntax"
                            )
                        })
                    })
                    .transpose()?,
            )),
            _ if self.rm => bail!(REMOVE_AND_RESTART),
            _ => bail!("running container create option: {policy:?} is not a valid restart policy: invalid argument"),
        }
    }
}

const REMOVE_AND_RESTART: &str =
    "the --rm option conflicts with --restart, when the restartPolicy is not \"\" and \"no\"";

/// `--annotation KEY=VALUE` of images and lists of them.
pub fn annotations(texts: &[String]) -> Result<std::collections::BTreeMap<String, String>> {
    let one = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(anyhow!("no value given for annotation {text:?}")),
    };
    texts.iter().map(one).collect()
}

/// `os/arch[/variant]` from the flags that podman has for it.
pub fn platform(
    platform: Option<&String>,
    os: Option<&String>,
    arch: Option<&String>,
    variant: Option<&String>,
) -> Result<Option<String>> {
    if platform.is_some() && (os.is_some() || arch.is_some()) {
        bail!("--platform option can not be specified with --arch or --os");
    }
    if let Some(platform) = platform {
        return Ok(Some(platform.clone()));
    }
    if os.is_none() && arch.is_none() && variant.is_none() {
        return Ok(None);
    }
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut text = format!("{}/{}", os.map_or("linux", String::as_str), arch.map_or(machine, String::as_str));
    if let Some(variant) = variant {
        text = format!("{text}/{variant}");
    }
    Ok(Some(text))
}

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

/// `NAME[;NAME…]:ADDRESS` (an address may be of IPv6, in brackets or not). Several names stay together.
fn add_host(text: &str) -> Result<(String, Option<IpAddr>)> {
    let Some((names, address)) = text.split_once(':').filter(|(names, _)| !names.is_empty()) else {
        bail!("bad format for add-host: {text:?}");
    };
    let address = match address {
        "host-gateway" => None,
        text => {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            Some(bare.parse().map_err(|_| anyhow!("invalid IP address in add-host: {text:?}"))?)
        }
    };
    Ok((names.to_owned(), address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args as _, Command, FromArgMatches as _};
    use haulout_engine::container::options::{Limits, Seccomp, Security};

    fn options(line: &[&str]) -> Result<Options, String> {
        let command = crate::flags::as_podman_takes_them(Flags::augment_args(Command::new("create")));
        let matches = command.try_get_matches_from(std::iter::once("create").chain(line.iter().copied())).unwrap();
        let words = ["img".to_owned(), "cmd".to_owned()];
        Flags::from_arg_matches(&matches).unwrap().options(&words, &[]).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn nothing_said_is_podmans_default() {
        let expected = Options { image: "img".into(), command: vec!["cmd".into()], ..Options::default() };
        let expected = Options { log: Log { driver: LogDriver::Default, ..Log::default() }, ..expected };
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
            Security { seccomp: Seccomp::Unconfined, no_new_privileges: true, ..Security::default() }
        );
        assert_eq!(options.labels, BTreeMap::from([("k".into(), "v=w".into()), ("bare".into(), String::new())]));
        assert_eq!(options.log, Log { driver: LogDriver::Journald, max_size: Some(1 << 20), tag: Some("t".into()) });
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
