// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The service of a `.container`.

use std::path::Path;

use super::draft::Draft;
use super::users::Mappings;
use crate::command::Command;
use crate::kind::{Kind, UnitName};
use crate::problem::Fault;
use crate::unit::Entry;

/// Where the service keeps its container's id.
const CID_FILE: &str = "--cidfile=%t/%N.cid";

pub(super) fn make(draft: &mut Draft<'_>) {
    let image = image(draft);
    let lasting = lasts(draft);
    let mut run = draft.program(&["run"]);
    let default_name = if draft.source.name.has_instance() { "systemd-%p_%i" } else { "systemd-%N" };
    run.option("--name", draft.source.value("ContainerName").unwrap_or(default_name));
    run.arg(CID_FILE).arg("--replace").arg("--rm");
    match draft.source.value("CgroupsMode") {
        Some(mode) => run.option("--cgroups", mode),
        // The unit's own cgroup: it is the unit that systemd limits and counts.
        None => run.arg("--cgroups=split"),
    };
    draft.options(&mut run);
    draft.networks(&mut run);
    if lasting {
        run.arg(format!("--sdnotify={}", ready_by(draft))).arg("-d");
    }
    security(draft, &mut run);
    user(draft, &mut run);
    Mappings::Container.add(draft, &mut run);
    draft.volumes(&mut run);
    draft.mounts(&mut run);
    environment(draft, &mut run);
    if let Some(entry) = draft.section().last("AutoUpdate") {
        run.option("--label", format!("io.containers.autoupdate={}", entry.unquoted()));
    }
    pod(draft, &mut run);
    draft.own_args(&mut run);
    run.args(image);
    run.args(draft.section().last("Exec").into_iter().flat_map(Entry::words).map(|word| word.text));
    service(draft, run, lasting);
}

/// The image, or the folder that takes its place.
fn image(draft: &mut Draft<'_>) -> Vec<String> {
    let section = draft.section();
    match (section.last("Image"), section.last("Rootfs")) {
        (Some(entry), None) => vec![draft.image(entry)],
        (None, Some(entry)) => vec!["--rootfs".to_owned(), entry.unquoted().to_owned()],
        (None, None) => {
            draft.problem(Fault::NoImageOrRootfs);
            Vec::new()
        }
        (Some(_), Some(entry)) => {
            draft.problem_at(entry, Fault::ImageAndRootfs);
            Vec::new()
        }
    }
}

/// Whether the container goes on when the command that starts it is done.
fn lasts(draft: &mut Draft<'_>) -> bool {
    match draft.said_of_service("Type") {
        Some(entry) if entry.value == "oneshot" => false,
        Some(entry) if entry.value != "notify" => {
            draft.problem_at(entry, Fault::ServiceType { value: entry.value.clone() });
            true
        }
        _ => true,
    }
}

/// Who tells systemd that the service has started.
fn ready_by(draft: &mut Draft<'_>) -> &'static str {
    let entry = draft.section().last("Notify");
    if entry.is_some_and(|entry| entry.value.eq_ignore_ascii_case("healthy")) {
        return "healthy";
    }
    if draft.boolean("Notify") == Some(true) { "container" } else { "conmon" }
}

fn security(draft: &mut Draft<'_>, run: &mut Command) {
    let switches = [
        ("NoNewPrivileges", "no-new-privileges"),
        ("SecurityLabelDisable", "label=disable"),
        ("SecurityLabelNested", "label=nested"),
    ];
    for (key, option) in switches {
        if draft.boolean(key) == Some(true) {
            run.arg(format!("--security-opt={option}"));
        }
    }
    for (_, word) in draft.section().words("AddDevice") {
        let optional = word.text.strip_prefix('-');
        let device = optional.unwrap_or(&word.text);
        let path = device.split(':').next().unwrap_or(device);
        if optional.is_none() || (draft.settings.is_there)(Path::new(path)) {
            run.option("--device", device);
        }
    }
    for (key, option) in [("DropCapability", "--cap-drop"), ("AddCapability", "--cap-add")] {
        for (_, word) in draft.section().words(key) {
            run.option(option, word.text.to_lowercase());
        }
    }
    let read_only = draft.section().last("ReadOnly").and_then(Entry::boolean) == Some(true);
    if draft.boolean("VolatileTmp") == Some(true) && !read_only {
        run.option("--tmpfs", "/tmp:rw,size=512M,mode=1777");
    }
    for entry in draft.section().all("ExposeHostPort") {
        if is_port(entry.unquoted()) {
            run.option("--expose", entry.unquoted());
        } else {
            draft.problem_at(entry, Fault::Port { value: entry.value.clone() });
        }
    }
}

/// A port or a range of ports, and a protocol; or what systemd makes one of.
fn is_port(text: &str) -> bool {
    if text.contains('%') {
        return true;
    }
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let is_number = |port: &str| port.parse::<u16>().is_ok();
    is_number(first) && is_number(last) && matches!(protocol, "tcp" | "udp" | "sctp")
}

fn user(draft: &mut Draft<'_>, run: &mut Command) {
    let (user, group) = (draft.section().last("User"), draft.section().last("Group"));
    match (user, group) {
        (Some(user), Some(group)) => {
            run.option("--user", format!("{}:{}", user.unquoted(), group.unquoted()));
        }
        (Some(user), None) => {
            run.option("--user", user.unquoted());
        }
        (None, Some(group)) => draft.problem_at(group, Fault::GroupWithoutUser),
        (None, None) => {}
    }
}

fn environment(draft: &Draft<'_>, run: &mut Command) {
    for (_, word) in draft.section().words("EnvironmentFile") {
        run.option("--env-file", draft.path(&word.text));
    }
}

/// Puts the container into its pod.
fn pod(draft: &mut Draft<'_>, run: &mut Command) {
    let Some(entry) = draft.section().last("Pod") else { return };
    let name = entry.unquoted().to_owned();
    if UnitName::parse(&name).is_none_or(|unit| unit.kind() != Kind::Pod) {
        return draft.problem_at(entry, Fault::PodIsNoUnit { name });
    }
    let Some(pod) = draft.units.find(&name) else { return draft.problem_at(entry, Fault::NoSuchPod { name }) };
    let service = pod.service();
    run.option("--pod-id-file", format!("%t/{service}.pod-id"));
    draft.unit_section().add("BindsTo", format!("{service}.service"));
    draft.unit_section().add("After", format!("{service}.service"));
}

/// What the service says beside what it runs.
fn service(draft: &mut Draft<'_>, run: Command, lasting: bool) {
    draft.kill_mode();
    let mut remove = draft.program(&["rm", "-v", "-f", "-i"]);
    remove.arg(CID_FILE);
    let reload = reload(draft);
    let service = draft.service_section();
    // After the unit's own, which must not take it away: auto-update finds the unit by it.
    service.add("Environment", "PODMAN_SYSTEMD_UNIT=%n");
    service.add("ExecStop", remove.clone());
    service.add("ExecStopPost", remove.forgiven());
    // The container's processes are in cgroups below the unit's.
    service.set("Delegate", "yes");
    if lasting {
        service.set("Type", "notify");
        service.set("NotifyAccess", "all");
    }
    service.add_default("SyslogIdentifier", "%N");
    if let Some(reload) = reload {
        service.add("ExecReload", reload);
    }
    service.add("ExecStart", run);
}

fn reload(draft: &mut Draft<'_>) -> Option<Command> {
    let (command, signal) = (draft.section().last("ReloadCmd"), draft.section().last("ReloadSignal"));
    match (command, signal) {
        (None, None) => None,
        (Some(entry), None) => {
            let mut exec = draft.program(&["exec", CID_FILE]);
            exec.args(entry.words().into_iter().map(|word| word.text));
            Some(exec)
        }
        (None, Some(entry)) => {
            let mut kill = draft.program(&["kill", CID_FILE]);
            kill.option("--signal", entry.unquoted());
            Some(kill)
        }
        (Some(_), Some(entry)) => {
            draft.problem_at(entry, Fault::TwoReloads);
            None
        }
    }
}
