// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The service of a `.pod`.

use super::draft::Draft;
use super::users::Mappings;

/// Where the service keeps its pod's id.
const ID_FILE: &str = "--pod-id-file=%t/%N.pod-id";

pub(super) fn make(draft: &mut Draft<'_>) {
    for container in draft.units.with_pod.get(&draft.source.name.to_string()).into_iter().flatten() {
        draft.unit_section().add("Wants", format!("{container}.service"));
        draft.unit_section().add("Before", format!("{container}.service"));
    }
    let mut create = draft.program(&["pod", "create", "--infra-conmon-pidfile=%t/%N.pid", ID_FILE]);
    create.arg(format!("--exit-policy={}", draft.source.value("ExitPolicy").unwrap_or("stop")));
    create.arg("--replace");
    Mappings::Container.add(draft, &mut create);
    draft.options(&mut create);
    draft.networks(&mut create);
    draft.volumes(&mut create);
    let name = draft.source.resource();
    create.option("--infra-name", format!("{name}-infra")).option("--name", name);
    draft.own_args(&mut create);

    let mut start = draft.program(&["pod", "start"]);
    start.arg(ID_FILE);
    let mut stop = draft.program(&["pod", "stop"]);
    let seconds = draft.source.value("StopTimeout").unwrap_or("10");
    stop.arg(ID_FILE).arg("--ignore").arg(format!("--time={seconds}"));
    let mut remove = draft.program(&["pod", "rm"]);
    remove.arg(ID_FILE).arg("--ignore").arg("--force");

    let service = draft.service_section();
    service.add_default("SyslogIdentifier", "%N");
    service.add("ExecStartPre", create);
    service.add("ExecStart", start);
    service.add("ExecStop", stop);
    service.add("ExecStopPost", remove);
    service.add("Environment", "PODMAN_SYSTEMD_UNIT=%n");
    service.set("Type", "forking");
    service.add_default("Restart", "on-failure");
    service.set("PIDFile", "%t/%N.pid");
}
