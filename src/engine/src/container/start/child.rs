// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The child's side of a start: from the zygote's child to the moment it becomes the monitor.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, IntoRawFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use haulout_monitor::frame::{Failure, Frame, Kind};
use haulout_monitor::user::{self, User};
use oci_spec::runtime::Spec;
use rustix::fs::{CWD, Mode, OFlags};

use super::{Plan, account, copy, place, stage};
use crate::step::Answer;
use crate::step::fork::{self, Fork};
use crate::store::overlay;
use crate::userns;

/// The starter socket's number in the monitor.
const STARTER: i32 = 3;

/// Forks the future monitor, which goes on alone, and answers its pid. This process is in the user namespace already.
pub(crate) fn begin(plan: Plan, starter: &OwnedFd, lock: &OwnedFd) -> Result<Answer, String> {
    match fork::fork() {
        Ok(Fork::Child) => become_monitor(plan, starter, lock),
        Ok(Fork::Parent(child)) => Ok(Answer::Pid(child.pid.as_raw_pid())),
        Err(error) => Err(format!("forking the container's monitor: {error}")),
    }
}

/// Never returns: what fails goes to the starter, and the mounts go with this process.
fn become_monitor(plan: Plan, starter: &OwnedFd, lock: &OwnedFd) -> ! {
    // Held until the exec, whatever becomes of whoever took it: nobody else starts or removes this container before there is a
    // monitor that can be seen. First out of the way of the starter's number.
    let lock = rustix::io::fcntl_dupfd_cloexec(lock, STARTER + 1).map_or(STARTER, OwnedFd::into_raw_fd);
    let _ = fork::place_at(starter, STARTER);
    fork::close_all_but(&[STARTER, lock]);
    fork::reset_signals();
    // A session and a parent of its own: no terminal, and no signal meant for the caller.
    let _ = rustix::process::setsid();
    let _ = rustix::process::umask(Mode::from_raw_mode(0o022));
    let Err(failure) = prepare(plan);
    // The lock is given back first: whoever hears of the failure clears up.
    fork::close_all_but(&[STARTER]);
    if let (Ok(json), Ok(mut starter)) = (serde_json::to_vec(&failure), fork::inherited(STARTER).map(File::from)) {
        let _ = Frame::new(Kind::Failed, json).write(&mut starter);
        // Until the starter has let go: it may be asking for a scope with this process.
        while starter.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {}
    }
    fork::exit(1)
}

/// Nothing but what has failed comes back.
fn prepare(mut plan: Plan) -> Result<Infallible, Failure> {
    userns::own_mounts().map_err(|error| failure(words(&error)))?;
    overlay::mount(&plan.root).map_err(|error| failure(words(&error)))?;
    let root =
        rustix::fs::openat(CWD, &plan.root.target, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| failure(format!("opening {}: {errno}", plan.root.target.display())))?;
    let user = finish(&mut plan, &root)?;
    for fresh in &plan.fresh {
        copy::into_volume(root.as_fd(), fresh, (user.uid, user.gid)).map_err(|error| failure(words(&error)))?;
    }
    stage::make(&plan.stages).map_err(|error| failure(words(&error)))?;
    for path in &plan.owned {
        stage::own(path, user.uid, user.gid).map_err(|error| failure(words(&error)))?;
    }
    write_bundle(&plan).map_err(|(path, error)| failure(format!("writing {}: {error}", path.display())))?;
    drop(root);
    let arguments: [OsString; 2] = [plan.monitor.clone().into(), plan.config.bundle.clone().into()];
    let error = fork::execute(&plan.monitor, &arguments, &fork::environment());
    // There is no monitor.
    let _ = fs::remove_file(plan.config.bundle.join("monitor.pid"));
    Err(failure(format!("executing {}: {error}", plan.monitor.display())))
}

/// What only the mounted root can tell: who the user is, their home, and that the working folder is there.
fn finish(plan: &mut Plan, root: &OwnedFd) -> Result<User, Failure> {
    let wanted = plan.user.as_deref().unwrap_or_default();
    let found = user::resolve(root.as_fd(), wanted).map_err(|error| Failure { status: 126, message: words(&error) })?;
    let covered = mounts(&plan.spec);
    let is_covered = |path: &Path| covered.iter().any(|mount| path.starts_with(mount));
    for mount in plan.spec.mounts_mut().iter_mut().flatten() {
        let of_user = mount.options().as_ref().is_some_and(|options| options.iter().any(|option| option == "U"));
        if of_user && let Some(options) = mount.options_mut() {
            options.retain(|option| option != "U");
            options.extend([format!("uid={}", found.uid), format!("gid={}", found.gid)]);
        }
    }
    let Some(process) = plan.spec.process_mut() else { return Ok(found) };
    account::assume(process, &found, !wanted.is_empty());
    if found.uid != 0
        && let Some(capabilities) = plan.capabilities_of_user.take()
    {
        process.set_capabilities(Some(capabilities));
    }
    // Also where a volume covers it: a new one takes it along.
    account::mtab(root.as_fd());
    if !is_covered(Path::new("/etc")) {
        account::register(root.as_fd(), &found, wanted, process.cwd());
    }
    let workdir = process.cwd().clone();
    // What a mount covers is not the image's business: the runtime makes it there.
    if workdir == Path::new("/") || is_covered(&workdir) {
        return Ok(found);
    }
    let id = &plan.config.id;
    if plan.workdir_must_exist {
        if place::exists(root.as_fd(), &workdir) {
            return Ok(found);
        }
        let message = format!("workdir \"{}\" does not exist on container {id}", workdir.display());
        return Err(Failure { status: 126, message });
    }
    place::make_folder(root.as_fd(), &workdir, found.uid, found.gid).map(|_| found).map_err(|error| Failure {
        status: 126,
        message: format!("creating working directory {} of container {id}: {error}", workdir.display()),
    })
}

/// Where the specification mounts something other than the root.
fn mounts(spec: &Spec) -> Vec<std::path::PathBuf> {
    spec.mounts().iter().flatten().map(|mount| mount.destination().clone()).collect()
}

fn write_bundle(plan: &Plan) -> Result<(), (std::path::PathBuf, io::Error)> {
    let bundle = &plan.config.bundle;
    DirBuilder::new().recursive(true).mode(0o700).create(bundle).map_err(|error| (bundle.clone(), error))?;
    let write = |name: &str, json: serde_json::Result<Vec<u8>>| {
        let path = bundle.join(name);
        let json = json.map_err(|error| (path.clone(), error.into()))?;
        fs::write(&path, json).map_err(|error| (path, error))
    };
    write("config.json", serde_json::to_vec(&plan.spec))?;
    write("monitor.json", serde_json::to_vec(&plan.config))?;
    // The monitor is this process: it is seen before the lock is given up.
    let pid_file = bundle.join("monitor.pid");
    match haulout_monitor::process::Process::of(std::process::id().cast_signed()) {
        Some(process) => process.write(&pid_file).map_err(|error| (pid_file, error)),
        None => Err((pid_file, io::ErrorKind::NotFound.into())),
    }
}

fn failure(message: String) -> Failure {
    Failure { status: 125, message }
}

/// An error and what caused it, in one line.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
