// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Config`: what runs in a container.

use std::collections::BTreeMap;

use haulout_engine::container::health::{MAX_LOG_COUNT, MAX_LOG_SIZE};
use haulout_engine::container::options::{Exposure, Namespace, Network, SdNotify};
use haulout_engine::container::signal;

use super::super::health;
use super::super::image::strings;
use super::View;
use super::network::each_port;
use crate::format::{Data, Struct};

/// Seconds that a container has to stop when nothing is said.
const STOP_TIMEOUT: u64 = 10;

/// The machine's name.
fn machine_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim_end().to_owned()
}

impl View<'_> {
    pub(super) fn config(&self) -> Data {
        let record = &self.details.summary.record;
        let image = &self.image["config"];
        let text = |key: &str| image[key].as_str().unwrap_or("").to_owned();
        let environment = match strings(&self.spec["process"]["env"]) {
            env if env.is_empty() => {
                let given = self.options.env.iter().map(|(name, value)| format!("{name}={value}"));
                strings(&image["Env"]).into_iter().chain(["container=podman".to_owned()]).chain(given).collect()
            }
            env => env,
        };
        let mut labels: BTreeMap<String, String> = serde_json::from_value(image["Labels"].clone()).unwrap_or_default();
        labels.extend(self.options.labels.clone());
        let hostname = self.hostname();
        let entrypoint = match &self.options.entrypoint {
            Some(words) => words.clone(),
            None => strings(&image["Entrypoint"]),
        };
        let command = record.command.strip_prefix(entrypoint.as_slice()).unwrap_or(&record.command).to_vec();
        let workdir = self.options.workdir.as_ref().map_or_else(
            || if text("WorkingDir").is_empty() { "/".to_owned() } else { text("WorkingDir") },
            |path| path.display().to_string(),
        );
        let of_systemd = record.runs_systemd().then(|| signal::name(self.details.stop_signal));
        let signal = self.options.stop_signal.clone().or(of_systemd).unwrap_or_else(|| match text("StopSignal") {
            none if none.is_empty() => "SIGTERM".to_owned(),
            signal => signal::number(&signal).map_or(signal, signal::name),
        });
        Struct::of("*define.InspectContainerConfig")
            .with("Hostname", hostname)
            .with("Domainname", "")
            .with("User", self.options.user.clone().unwrap_or_else(|| text("User")))
            .with("AttachStdin", false)
            .with("AttachStdout", false)
            .with("AttachStderr", false)
            .with("Tty", self.options.terminal)
            .with("OpenStdin", self.options.interactive)
            .with("StdinOnce", false)
            .with("Env", Data::from(environment))
            .with("Cmd", Data::list_or_nil(command))
            .with("Image", &record.image_name)
            .with("Volumes", Data::Map(None))
            .with("WorkingDir", workdir)
            .with("Entrypoint", Data::list_or_nil(entrypoint))
            .with("OnBuild", Data::Nil)
            .with("Labels", Data::map_or_nil(&labels))
            .with("Annotations", self.annotations())
            .with("StopSignal", signal)
            .with_omitted("StartupHealthCheck", "StartupHealthCheck", health::startup(&self.options.health))
            .with_omitted("Healthcheck", "Healthcheck", health::check(self.options.health.check.as_ref()))
            .with("HealthcheckOnFailureAction", health::action(self.options.health.on_failure))
            .with("HealthLogDestination", health::destination(&self.options.health.log))
            .with_as(
                "HealthMaxLogCount",
                "HealthcheckMaxLogCount",
                self.options.health.max_log_count.unwrap_or(MAX_LOG_COUNT),
            )
            .with_as(
                "HealthMaxLogSize",
                "HealthcheckMaxLogSize",
                self.options.health.max_log_size.unwrap_or(MAX_LOG_SIZE),
            )
            .with("CreateCommand", Data::list_or_nil(self.options.create_command.clone()))
            .with_omitted("Timezone", "Timezone", self.options.timezone.clone().unwrap_or_default())
            .with_omitted("SystemdMode", "SystemdMode", record.runs_systemd())
            .with("Umask", format!("{:0>4}", self.options.umask.as_deref().unwrap_or("0022")))
            .with_omitted("Secrets", "Secrets", self.secrets())
            .with("Timeout", self.options.timeout.unwrap_or(0))
            .with("StopTimeout", self.options.stop_timeout.unwrap_or(STOP_TIMEOUT))
            .with("Passwd", !self.options.accounts.untouched)
            .with_omitted("ChrootDirs", "ChrootDirs", folders(&self.options.chroot_dirs))
            .with_as("SdNotifyMode", "sdNotifyMode", sdnotify(self.options.sdnotify))
            .with_omitted("ExposedPorts", "ExposedPorts", self.exposed_ports())
            .into()
    }

    /// The name of its own, or of whose it has.
    fn hostname(&self) -> String {
        if let Some(name) = &self.options.hostname {
            return name.clone();
        }
        if self.options.namespaces.uts == Namespace::Host || self.options.network == Network::Host {
            return machine_name();
        }
        self.details.summary.record.id.short()
    }

    /// The ports that are published, that `--expose` names, that the image names.
    fn exposed_ports(&self) -> Data {
        let published = each_port(&self.details.summary.record.ports).map(|(port, _)| port);
        let named = self.options.expose.iter().map(|(port, protocol)| format!("{port}/{}", protocol.name()));
        let of_image =
            self.image["config"]["ExposedPorts"].as_object().into_iter().flatten().map(|(port, _)| port.clone());
        let nothing = Data::from(BTreeMap::<String, Data>::new());
        let ports = published.chain(named).chain(of_image).map(|port| (port, nothing.clone()));
        let ports: BTreeMap<_, _> = ports.collect();
        if ports.is_empty() { Data::Map(None) } else { ports.into() }
    }

    fn secrets(&self) -> Data {
        let mounted = self.options.secrets.iter().filter(|secret| secret.exposure == Exposure::Mount);
        let secrets = mounted.map(|secret| {
            Struct::of("*define.InspectSecret")
                .with("Name", &secret.name)
                .with("ID", &secret.id)
                .with("UID", secret.uid)
                .with("GID", secret.gid)
                .with("Mode", secret.mode)
        });
        secrets.collect::<Vec<_>>().into()
    }
}

fn folders(folders: &[std::path::PathBuf]) -> Vec<String> {
    folders.iter().map(|folder| folder.display().to_string()).collect()
}

/// Who says that it is ready.
fn sdnotify(mode: SdNotify) -> &'static str {
    match mode {
        SdNotify::Container => "container",
        SdNotify::Conmon => "conmon",
        SdNotify::Healthy => "healthy",
        SdNotify::Ignore => "ignore",
    }
}
