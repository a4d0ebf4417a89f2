// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The service of a `.kube`.

use std::path::Path;

use super::draft::{Draft, clean};
use super::users::Mappings;
use crate::problem::Fault;

pub(super) fn make(draft: &mut Draft<'_>) {
    let section = draft.section();
    let files: Vec<String> = section.all("Yaml").iter().map(|entry| draft.path(entry.unquoted())).collect();
    let Some(first) = files.first().cloned() else { return draft.problem(Fault::Missing { key: "Yaml" }) };
    let lasting = match draft.said_of_service("Type") {
        Some(entry) if entry.value == "oneshot" => false,
        Some(entry) if entry.value != "notify" => {
            return draft.problem_at(entry, Fault::ServiceType { value: entry.value.clone() });
        }
        _ => true,
    };
    draft.kill_mode();

    let mut play = draft.program(&["kube", "play", "--replace", "--service-container=true"]);
    draft.options(&mut play);
    Mappings::Kube.add(draft, &mut play);
    draft.networks(&mut play);
    for (_, word) in section.words("AutoUpdate") {
        let (container, policy) = match word.text.split_once('/') {
            Some((container, policy)) => (format!("/{container}"), policy.to_owned()),
            None => (String::new(), word.text),
        };
        play.arg(format!("--annotation=io.containers.autoupdate{container}={policy}"));
    }
    for (_, word) in section.words("ConfigMap") {
        play.option("--configmap", draft.path(&word.text));
    }
    draft.own_args(&mut play);
    play.args(files.iter().cloned());
    let mut down = draft.program(&["kube", "down"]);
    if draft.boolean("KubeDownForce") == Some(true) {
        down.arg("--force");
    }
    down.args(files);

    let service = draft.service_section();
    service.add("Environment", "PODMAN_SYSTEMD_UNIT=%n");
    if lasting {
        service.set("Type", "notify");
        service.set("NotifyAccess", "all");
    }
    service.add_default("SyslogIdentifier", "%N");
    service.add("ExecStart", play);
    service.add("ExecStopPost", down);
    working_directory(draft, &first);
}

/// The folder that paths in the YAML begin at.
fn working_directory(draft: &mut Draft<'_>, yaml: &str) {
    let Some(entry) = draft.section().last("SetWorkingDirectory") else { return };
    let folder = match entry.value.to_lowercase().as_str() {
        "yaml" => clean(Path::new(yaml).parent().unwrap_or(Path::new("/"))),
        "unit" => clean(&draft.source.folder),
        _ => return draft.problem_at(entry, Fault::WorkingDirectory { value: entry.value.clone() }),
    };
    draft.service_section().add_default("WorkingDirectory", &folder);
}
