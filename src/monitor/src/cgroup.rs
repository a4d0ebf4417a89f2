// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The container's cgroup: a part `supervisor` for the monitor and what it runs, a part `container` for the container.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A cgroup (version 2) that is divided in two.
#[derive(Debug)]
pub struct Cgroup {
    /// Its path below the mount.
    path: String,
    /// Its folder.
    folder: PathBuf,
    /// Whether it was made here, and goes with the container.
    made: bool,
}

/// Why a cgroup could not be divided.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// There is no cgroup2 mount.
    #[error(
        "no cgroup2 file system is mounted here, without which the OCI runtime runs nothing (`ip netns exec` hides it; `nsenter --net=/run/netns/NAME` does not)"
    )]
    NoMount,
    /// A path that is no cgroup's.
    #[error("{0:?} is no path of a cgroup")]
    Path(String),
    /// The kernel refused.
    #[error("{doing} {}: {}", path.display(), crate::words(source))]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
}

impl Cgroup {
    /// Divides the cgroup at `path` below the cgroup2 mount and moves every process in it to its `supervisor`.
    pub fn divide(path: &str) -> Result<Self, CgroupError> {
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(CgroupError::Path(path.to_owned()));
        }
        let mount = Mount::find().ok_or(CgroupError::NoMount)?;
        let cgroup = Self { path: path.trim_end_matches('/').to_owned(), folder: mount.folder(path), made: false };
        cgroup.move_processes()?;
        cgroup.pass_controllers_on();
        Ok(cgroup)
    }

    /// Divides the cgroup that this process is in.
    pub fn divide_own() -> Result<Self, CgroupError> {
        let own = Self::own()?;
        Self::divide(own.strip_suffix("/supervisor").unwrap_or(&own))
    }

    /// Makes one for the container `id` in the cgroup `parent`, or beside the one that this process is in, and stays there.
    pub fn make(parent: Option<&str>, id: &str) -> Result<Self, CgroupError> {
        let parent = match parent {
            Some(parent) => format!("/{}", parent.trim_matches('/')),
            None => Self::own()?.rsplit_once('/').unwrap_or_default().0.to_owned(),
        };
        let path = format!("{}/haulout-{id}", parent.trim_end_matches('/'));
        if path.split('/').any(|part| part == "..") {
            return Err(CgroupError::Path(path));
        }
        let mount = Mount::find().ok_or(CgroupError::NoMount)?;
        let cgroup = Self { folder: mount.folder(&path), path, made: true };
        fs::create_dir_all(&cgroup.folder).map_err(|source| CgroupError::Io {
            doing: "making the cgroup",
            path: cgroup.folder.clone(),
            source,
        })?;
        cgroup.pass_controllers_on();
        Ok(cgroup)
    }

    /// The path of the cgroup that this process is in.
    fn own() -> Result<String, CgroupError> {
        let file = PathBuf::from("/proc/self/cgroup");
        let text = fs::read_to_string(&file).map_err(|source| CgroupError::Io {
            doing: "reading",
            path: file.clone(),
            source,
        })?;
        text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned).ok_or(CgroupError::NoMount)
    }

    /// The container's part, as `linux.cgroupsPath` of the OCI runtime specification wants it.
    pub fn container(&self) -> String {
        format!("{}/container", self.path)
    }

    /// Makes the container's part and gives it to `owner`, who may divide it further (cgroups(7), delegation). One that has only its
    /// own cgroup to look at is none the worse when that cannot be.
    pub fn give_container(&self, owner: (u32, u32)) {
        let folder = self.folder.join("container");
        let _ = fs::create_dir(&folder);
        for name in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
            let _ = std::os::unix::fs::chown(folder.join(name), Some(owner.0), Some(owner.1));
        }
    }

    /// Whether the kernel killed a process of the container for want of memory.
    pub fn oom_killed(&self) -> bool {
        let events = fs::read_to_string(self.folder.join("container/memory.events")).unwrap_or_default();
        events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
    }

    /// Kills every process in the container's part.
    pub fn kill_container(&self) {
        let _ = fs::write(self.folder.join("container/cgroup.kill"), "1");
    }

    /// Removes the container's part and what the container made below it.
    pub fn remove_container(&self) {
        remove(&self.folder.join("container"));
    }

    /// The container has ended for good: what was made for it goes.
    pub fn give_back(&self) {
        if self.made {
            remove(&self.folder);
        }
    }

    /// Controllers are given to children only by a cgroup that has no process of its own. Who is there already is not moved there once
    /// more: the kernel takes milliseconds over that, too.
    fn move_processes(&self) -> Result<(), CgroupError> {
        let supervisor = self.folder.join("supervisor");
        match fs::create_dir(&supervisor) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(CgroupError::Io { doing: "making the cgroup", path: supervisor, source });
            }
            _ => {}
        }
        let target = supervisor.join("cgroup.procs");
        if Self::own()? != format!("{}/supervisor", self.path) {
            fs::write(&target, "0").map_err(|source| CgroupError::Io {
                doing: "entering",
                path: supervisor,
                source,
            })?;
        }
        // pasta, and with `--cgroups=split` the command that starts the container. One that has ended meanwhile is no error.
        let others = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        for pid in others.lines() {
            let _ = fs::write(&target, pid);
        }
        Ok(())
    }

    /// Where a controller cannot be passed on, the limit that wants it was already left out of the specification.
    fn pass_controllers_on(&self) {
        let available = fs::read_to_string(self.folder.join("cgroup.controllers")).unwrap_or_default();
        for controller in available.split_ascii_whitespace() {
            let _ = fs::write(self.folder.join("cgroup.subtree_control"), format!("+{controller}"));
        }
    }
}

/// Removes a cgroup and those below it, as far as no process is in them.
fn remove(folder: &Path) {
    if fs::remove_dir(folder).is_ok() {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}

/// Where the cgroup2 file system is mounted: not at the usual place on hosts that mount version 1 there.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// The cgroup that is at the mount point.
    root: String,
    point: PathBuf,
}

impl Mount {
    fn find() -> Option<Self> {
        fs::read_to_string("/proc/self/mountinfo").ok()?.lines().find_map(Self::parse)
    }

    /// A line of /proc/PID/mountinfo (`proc_pid_mountinfo(5)`).
    fn parse(line: &str) -> Option<Self> {
        let (mount, source) = line.split_once(" - ")?;
        if source.split(' ').next()? != "cgroup2" {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        Some(Self { root: fields.next()?.to_owned(), point: fields.next()?.replace("\\040", " ").into() })
    }

    fn folder(&self, path: &str) -> PathBuf {
        let below = path.strip_prefix(self.root.trim_end_matches('/')).unwrap_or(path);
        self.point.join(below.trim_start_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup2_mount_is_found_where_version_1_has_the_usual_place() {
        let v1 = "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd";
        let v2 = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw";
        assert_eq!(Mount::parse(v1), None);
        let mount = Mount::parse(v2).unwrap();
        assert_eq!(mount.folder("/user.slice/x.scope"), Path::new("/sys/fs/cgroup/unified/user.slice/x.scope"));
        assert_eq!(mount.folder("/"), Path::new("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn a_mount_of_a_part_of_the_tree_is_counted_from_that_part() {
        let mount = Mount::parse("9 3 0:38 /part /mnt/c rw - cgroup2 c rw").unwrap();
        assert_eq!(mount.folder("/part/x.scope"), Path::new("/mnt/c/x.scope"));
    }

    #[test]
    fn a_path_that_leads_out_is_refused() {
        assert!(matches!(Cgroup::divide("/a/../../b"), Err(CgroupError::Path(_))));
    }
}
