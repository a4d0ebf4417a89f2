// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The child's side of a start: from the zygote's child to the moment it becomes the monitor.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, IntoRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt as _};
use std::path::Path;

use haulout_monitor::config::{PASSED, USERNS};
use haulout_monitor::frame::{Failure, Frame, Kind};
use haulout_monitor::network::Network;
use haulout_monitor::user::{self, User, UserError};
use oci_spec::runtime::Spec;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::MountFlags;

use super::{Filling, Plan, Root, account, copy, place, stage};
use crate::engine::chain;
use crate::secret;
use crate::spec::mounts::FILES;
use crate::step::Answer;
use crate::step::fork::{self, Fork};
use crate::store::driver;
use crate::userns::{self, nested};

/// The starter socket's number in the monitor.
const STARTER: i32 = 3;

/// Forks the future monitor, which goes on alone, and answers its pid. This process is in the user namespace already.
pub(crate) fn begin(plan: Plan, starter: &OwnedFd, lock: &OwnedFd, passed: &[OwnedFd]) -> Result<Answer, String> {
    match fork::fork() {
        Ok(Fork::Child) => become_monitor(plan, starter, lock, passed),
        Ok(Fork::Parent(child)) => Ok(Answer::Pid(child.pid.as_raw_pid())),
        Err(error) => Err(format!("forking the container's monitor: {error}")),
    }
}

/// Never returns: what fails goes to the starter, and the mounts go with this process.
fn become_monitor(plan: Plan, starter: &OwnedFd, lock: &OwnedFd, passed: &[OwnedFd]) -> ! {
    // Held until the exec, whatever becomes of whoever took it: nobody else starts or removes this container before there is a
    // monitor that can be seen. First out of the way of the starter's number.
    let free = PASSED + i32::try_from(passed.len()).unwrap_or_default();
    let aside = |descriptor: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(descriptor, free);
    let lock = aside(lock).map_or(STARTER, OwnedFd::into_raw_fd);
    let passed: Vec<OwnedFd> = passed.iter().filter_map(|descriptor| aside(descriptor).ok()).collect();
    let _ = fork::place_at(starter, STARTER);
    let mut kept = vec![STARTER, lock];
    for (place, descriptor) in (PASSED..).zip(&passed) {
        let _ = fork::place_at(descriptor, place);
        kept.push(place);
    }
    fork::close_all_but(&kept);
    std::mem::forget(passed);
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
    userns::own_mounts().map_err(|error| failure(chain(&error)))?;
    see_cgroups();
    if plan.mapping.as_ref().is_some_and(|map| !map.reaches_own_folders()) {
        move_root(&mut plan)?;
    }
    own_userns(&mut plan)?;
    // As early as can be: it takes longer than all that follows.
    let network = Network::begin(&plan.config.bundle, &plan.config.network, plan.config.userns)?;
    driver::mount(&plan.root).map_err(|error| failure(chain(&error)))?;
    let root = open_root(&plan.root)?;
    let user = finish(&mut plan, &root)?;
    let owner = owner_outside(&plan, &user)?;
    for fresh in &plan.fresh {
        copy::into_volume(root.as_fd(), fresh, owner).map_err(|error| failure(chain(&error)))?;
    }
    stage::make(&plan.stages).map_err(|error| Failure { status: error.status(), message: chain(&error) })?;
    for path in &plan.owned {
        stage::own(path, owner.0, owner.1).map_err(|error| failure(chain(&error)))?;
    }
    hand_out_secrets(&plan)?;
    plan.config.helper = network.as_ref().and_then(Network::helper);
    write_bundle(&plan).map_err(|(path, error)| failure(format!("writing {}: {error}", path.display())))?;
    drop(root);
    let passed = plan.config.passed.len().to_string();
    let arguments: [OsString; 3] = [plan.monitor.clone().into(), plan.config.bundle.clone().into(), passed.into()];
    let error = fork::execute(&plan.monitor, &arguments, &fork::environment());
    // There is no monitor.
    let _ = fs::remove_file(plan.config.bundle.join("monitor.pid"));
    Err(failure(format!("executing {}: {error}", plan.monitor.display())))
}

/// Fills new volumes from a root that is mounted as long as this process lives.
pub(crate) fn fill(filling: &Filling) -> Result<(), String> {
    let Filling { root, fresh, user, mapping } = filling;
    userns::own_mounts().map_err(|error| chain(&error))?;
    driver::mount(root).map_err(|error| chain(&error))?;
    let root = open_root(root).map_err(|failure| failure.message)?;
    let user = user::resolve(root.as_fd(), user).map_err(|error| chain(&error))?;
    let outside = |ids| mapping.as_ref().map_or(ids, |mapping| mapping.outside(ids));
    // As at a start: a new volume takes it along.
    account::mtab(root.as_fd(), outside((0, 0)));
    let owner = outside((user.uid, user.gid));
    fresh.iter().try_for_each(|fresh| copy::into_volume(root.as_fd(), fresh, owner)).map_err(|error| chain(&error))
}

fn open_root(root: &Root) -> Result<OwnedFd, Failure> {
    rustix::fs::openat(CWD, &root.target, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| failure(format!("opening {}: {errno}", root.target.display())))
}

/// `ip netns exec` covers `/sys` by one that has no cgroups, and the OCI runtime wants some. Root may mount them; whoever may not is
/// told by the monitor that they are missed.
fn see_cgroups() {
    const SYSFS: u64 = 0x6265_6572;
    let place = "/sys/fs/cgroup";
    if rustix::fs::statfs(place).is_ok_and(|found| u64::try_from(found.f_type) == Ok(SYSFS)) {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let _ = rustix::mount::mount("cgroup2", place, "cgroup2", flags, c"");
    }
}

/// Folders that are on every machine, in which everybody may look, and which containers seldom mount.
const IN_SIGHT: [&str; 5] = ["/mnt", "/media", "/srv", "/opt", "/var/local"];

/// The user's own folders are closed to a container whose root neither is the user nor has power over them: its root is mounted in a small file system of its
/// own, over a folder that is of no use to this container. It is seen in this mount namespace alone.
fn move_root(plan: &mut Plan) -> Result<(), Failure> {
    let sources: Vec<_> = plan.spec.mounts().iter().flatten().filter_map(|mount| mount.source().clone()).collect();
    let place = IN_SIGHT.iter().map(Path::new).find(|place| {
        let seen = fs::metadata(place).is_ok_and(|found| found.is_dir() && found.permissions().mode() & 0o5 == 0o5);
        seen && !sources.iter().any(|source| source.starts_with(place)) && !plan.root.upper.starts_with(place)
    });
    let place = place.ok_or_else(|| failure(format!("none of {IN_SIGHT:?} can be covered by the container's root")))?;
    let mounted = rustix::mount::mount("haulout", place, "tmpfs", MountFlags::empty(), c"mode=0755,size=64k");
    let failed = |what: &str, error: io::Error| failure(format!("{what} {}: {error}", place.display()));
    mounted.map_err(|errno| failed("mounting a place for the container's root over", errno.into()))?;
    plan.root.target = place.join("root");
    fs::create_dir(&plan.root.target).map_err(|error| failed("making a place for the container's root in", error))?;
    if let Some(root) = plan.spec.root_mut() {
        root.set_path(plan.root.target.clone());
    }
    plan.config.rootfs = Some(plan.root.target.clone());
    Ok(())
}

/// What only the mounted root can tell: who the user is, their home, and that the working folder is there.
fn finish(plan: &mut Plan, root: &OwnedFd) -> Result<User, Failure> {
    let wanted = plan.user.as_deref().unwrap_or_default();
    let covered = mounts(&plan.spec);
    let is_covered = |path: &Path| covered.iter().any(|mount| path.starts_with(mount));
    let roots = plan.mapping.as_ref().map_or((0, 0), |map| (map.user(0).unwrap_or(0), map.group(0).unwrap_or(0)));
    if let Some(process) = plan.spec.process()
        && !is_covered(Path::new("/etc"))
    {
        // First: its own user may be one of them.
        account::introduce(root.as_fd(), &plan.accounts, process.cwd(), roots);
    }
    let found = user::resolve(root.as_fd(), wanted).map_err(|error| Failure { status: 126, message: chain(&error) })?;
    for mount in plan.spec.mounts_mut().iter_mut().flatten() {
        let of_user = mount.options().as_ref().is_some_and(|options| options.iter().any(|option| option == "U"));
        if of_user && let Some(options) = mount.options_mut() {
            options.retain(|option| option != "U");
            options.extend([format!("uid={}", found.uid), format!("gid={}", found.gid)]);
        }
    }
    let mut groups = Vec::new();
    for group in &plan.groups {
        let known = user::resolve(root.as_fd(), &format!("0:{group}")).map_err(|error| {
            let why = match error {
                UserError::NoGroup(name) => format!("Unable to find group {name}: no matching entries in group file"),
                error => chain(&error),
            };
            let message = format!("looking up supplemental groups for container {}: {why}", plan.config.id);
            Failure { status: 126, message }
        })?;
        groups.push(known.gid);
    }
    let owner = owner_outside(plan, &found)?;
    let kept_group = plan.kept_group;
    let Some(process) = plan.spec.process_mut() else { return Ok(found) };
    account::assume(process, &found, !wanted.is_empty(), kept_group, &plan.accounts);
    if !groups.is_empty() {
        process.user_mut().additional_gids_mut().get_or_insert_default().extend(groups);
    }
    if found.uid != 0
        && let Some(capabilities) = plan.capabilities_of_user.take()
    {
        process.set_capabilities(Some(capabilities));
    }
    // Also where a volume covers it: a new one takes it along.
    account::mtab(root.as_fd(), roots);
    if !is_covered(Path::new("/etc")) {
        account::register(root.as_fd(), &found, wanted, process.cwd(), roots, &plan.accounts);
    }
    let workdir = process.cwd().clone();
    // What a mount covers is not the image's business: the runtime makes it there.
    if workdir == Path::new("/") || is_covered(&workdir) {
        return Ok(found);
    }
    let id = &plan.config.id;
    if plan.workdir_must_exist {
        if place::is_folder(root.as_fd(), &workdir) {
            return Ok(found);
        }
        let message = if place::open(root.as_fd(), &workdir, OFlags::PATH | OFlags::CLOEXEC).is_ok() {
            format!("workdir \"{}\" exists on container {id}, but is not a directory", workdir.display())
        } else {
            format!("workdir \"{}\" does not exist on container {id}", workdir.display())
        };
        return Err(Failure { status: 126, message });
    }
    place::make_folder(root.as_fd(), &workdir, owner, roots).map(|_| found).map_err(|error| Failure {
        status: 126,
        message: format!("creating working directory {} of container {id}: {error}", workdir.display()),
    })
}

/// Who the container's user is in the rootless namespace, and so on disk.
fn owner_outside(plan: &Plan, user: &User) -> Result<(u32, u32), Failure> {
    let Some(mapping) = &plan.mapping else { return Ok((user.uid, user.gid)) };
    // Podman's status, and its words but for the map.
    let missing = |kind: &str, id: u32, map: &[(u32, u32, u32)]| {
        let parts: Vec<String> =
            map.iter().map(|(inside, outside, count)| format!("{inside}:{outside}:{count}")).collect();
        let message = format!("container uses ID mappings ({}), but doesn't map {kind} {id}", parts.join(" "));
        Failure { status: 126, message }
    };
    let uid = mapping.user(user.uid).ok_or_else(|| missing("UID", user.uid, &mapping.users))?;
    let gid = mapping.group(user.gid).ok_or_else(|| missing("GID", user.gid, &mapping.groups))?;
    Ok((uid, gid))
}

/// Puts the secrets where the runtime mounts them from.
fn hand_out_secrets(plan: &Plan) -> Result<(), Failure> {
    let outside = |uid, gid| match &plan.mapping {
        None => (uid, gid),
        // Whom the container does not have is nobody's: as root's it can be read at least by it.
        Some(map) => (map.user(uid).or(map.user(0)).unwrap_or(0), map.group(gid).or(map.group(0)).unwrap_or(0)),
    };
    secret::place::hand_out(&plan.secrets, outside)
        .map_err(|(path, error)| failure(format!("handing out the secret {}: {error}", path.display())))
}

/// Makes or joins the container's own user namespace: the monitor holds it by a descriptor, to which `userns` in the bundle leads.
fn own_userns(plan: &mut Plan) -> Result<(), Failure> {
    let Some(mapping) = &plan.mapping else { return Ok(()) };
    let namespace = match plan.shared_userns {
        None => nested::make(mapping).map_err(|error| failure(chain(&error)))?,
        Some(process) => {
            let namespace = File::open(format!("/proc/{}/ns/user", process.pid))
                .map_err(|error| failure(format!("opening the other container's user namespace: {error}")))?;
            if !process.is_alive() {
                return Err(failure("the container whose user namespace is to be shared has ended".to_owned()));
            }
            namespace.into()
        }
    };
    let bundle = &plan.config.bundle;
    let link = bundle.join("userns");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(format!("/proc/{}/fd/{USERNS}", std::process::id()), &link)
        .map_err(|error| failure(format!("making {}: {error}", link.display())))?;
    plan.config.userns = Some(USERNS);
    // What the engine wrote for it is its root's.
    for (name, _) in FILES {
        let path = bundle.join(name);
        if path.exists() {
            std::os::unix::fs::chown(&path, mapping.user(0), mapping.group(0))
                .map_err(|error| failure(format!("giving {} to the container's root: {error}", path.display())))?;
        }
    }
    // Nobody has that number yet.
    fork::place_at(&namespace, USERNS)
        .map_err(|error| failure(format!("keeping the container's user namespace open: {error}")))?;
    let _ = namespace.into_raw_fd();
    Ok(())
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
