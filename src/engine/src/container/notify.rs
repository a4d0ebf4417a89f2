// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Telling the service manager how a container comes up (`sd_notify(3)`), when it is started by a service that asks for it.
//!
//! The manager wants to hear from the service's main process, which is the engine's at first: it names the monitor, which goes on
//! from there.

use std::path::PathBuf;

use haulout_monitor::cgroup::Cgroup;
use haulout_monitor::config::{Notify, NotifyMode};
use oci_spec::runtime::{MountBuilder, Spec};

use super::Record;
use super::options::{Cgroups, Options, SdNotify};
use crate::paths::Paths;
use crate::systemd::service::{self, SOCKET};

/// Where a container has a folder with a socket of its own.
const INSIDE: &str = "/run/notify";

/// Who is told by the monitor, and what; nothing when nobody asks, or is not to hear, or hears of another container that this one is
/// started `aside`.
pub(super) fn asked(options: &Options, aside: bool) -> Option<Notify> {
    if aside {
        return None;
    }
    let mode = match options.sdnotify {
        SdNotify::Ignore => return None,
        SdNotify::Container => NotifyMode::Container,
        SdNotify::Conmon => NotifyMode::Started,
        SdNotify::Healthy => NotifyMode::Healthy,
    };
    Some(Notify { socket: service::socket()?, mode })
}

/// Whether it is started as a service whose main process its monitor becomes: that one is named to the manager, or by a file
/// (`PIDFile=`) where the service forks.
pub(super) fn is_service(options: &Options, aside: bool) -> bool {
    asked(options, aside).is_some() || (!aside && service::forks())
}

/// The cgroup that it gets: a service whose processes leave it has ended for its manager.
pub(super) fn cgroups(options: &Options, aside: bool) -> Cgroups {
    match options.cgroups {
        Cgroups::Enabled if is_service(options, aside) => Cgroups::Split,
        cgroups => cgroups,
    }
}

/// Begins to divide the service's cgroup, of which the container is going to have a part: the kernel takes milliseconds over moving a
/// process, and has them while the container is being made. What comes too late is left to the monitor, and so is saying what is wrong.
pub(super) fn divide_cgroup(options: &Options) {
    if options.cgroups == Cgroups::Split && asked(options, false).is_some() {
        std::thread::spawn(|| Cgroup::divide_own().map(drop));
    }
}

/// Gives the container the socket on which it says that it is ready, where it is the one to say so.
pub(super) fn give(spec: &mut Spec, record: &Record, aside: bool, paths: &Paths) {
    if asked(&record.options, aside).is_none_or(|notify| notify.mode != NotifyMode::Container) {
        return;
    }
    let folder = paths.bundle(&record.id).join(haulout_monitor::config::NOTIFY_FOLDER);
    let options = ["bind", "rprivate"].map(str::to_owned).to_vec();
    let mount = MountBuilder::default().typ("bind").source(folder).destination(INSIDE).options(options).build();
    let Ok(mount) = mount else { return };
    spec.mounts_mut().get_or_insert_default().push(mount);
    if let Some(process) = spec.process_mut() {
        let inside = PathBuf::from(INSIDE).join(haulout_monitor::config::NOTIFY_SOCKET);
        process.env_mut().get_or_insert_default().push(format!("{SOCKET}={}", inside.display()));
    }
}

/// Names `monitor` as the service's main process, once and when its parent is the manager: that one looks at whose child it is when it
/// hears of it, and warns of one that is not its own. That nobody hears is the manager's business.
pub(super) fn name_main_process(record: &Record, aside: bool, monitor: i32) {
    let Some(notify) = asked(&record.options, aside) else { return };
    if let Err(error) = service::tell(&notify.socket, &format!("MAINPID={monitor}")) {
        tracing::warn!("telling {} of the monitor: {error}", notify.socket);
    }
}
