// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The processes of a running container, as `/proc` shows them (`proc_pid_status(5)`, `proc_pid_stat(5)`): every process in
//! the pid namespace of its first one, with the numbers and names that they have inside and on the host.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::{ContainerId, Containers, Status};
use crate::engine::Error;
use crate::userns::map::{self, Extent};

/// No more is read of a container's `/etc/passwd` and `/etc/group`.
const MAX_FILE: u64 = 4 << 20;

/// Clock ticks a second, as /proc counts them: a constant of the kernel's interface.
const TICKS: u64 = 100;

/// A user or a group: the number and the name inside, the number and the name on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The number in the container's user namespace.
    pub inside: u32,
    /// What the container's `/etc/passwd` or `/etc/group` calls it.
    pub name: Option<String>,
    /// The number on the host.
    pub host: u32,
    /// What the host calls it.
    pub host_name: Option<String>,
}

/// The sets of capabilities of a process, as masks by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilityMasks {
    /// Ambient.
    pub ambient: u64,
    /// Bounding.
    pub bounding: u64,
    /// Effective.
    pub effective: u64,
    /// Inheritable.
    pub inheritable: u64,
    /// Permitted.
    pub permitted: u64,
}

/// One process of a container.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Its pid inside.
    pub pid: i32,
    /// Its pid on the host.
    pub host_pid: i32,
    /// Its parent inside; 0 when that is outside.
    pub parent: i32,
    /// Its process group inside.
    pub group_leader: i32,
    /// The name of its program, at most 15 bytes.
    pub command: String,
    /// Its arguments, the program's path first.
    pub arguments: Vec<String>,
    /// `R`, `S`, `D`, `T`, `Z` …
    pub state: char,
    /// Its nice value.
    pub nice: i64,
    /// `pts/0`, `tty1`; none when it has no terminal.
    pub terminal: Option<String>,
    /// Its effective user.
    pub user: Owner,
    /// Its real user.
    pub real_user: Owner,
    /// Its effective group.
    pub group: Owner,
    /// Its real group.
    pub real_group: Owner,
    /// Its additional groups.
    pub groups: Vec<Owner>,
    /// Its capabilities.
    pub capabilities: CapabilityMasks,
    /// 0: none, 1: strict, 2: a filter.
    pub seccomp: u8,
    /// What the machine's security module calls it.
    pub label: String,
    /// Virtual memory in kibibytes.
    pub virtual_size: u64,
    /// Resident memory in kibibytes.
    pub resident: u64,
    /// Nanoseconds since it began.
    pub elapsed: i64,
    /// Nanoseconds of processor time.
    pub cpu: i64,
    /// When it began: nanoseconds since 1970.
    pub started: i64,
}

impl Containers {
    pub(super) async fn list_processes(&self, id: &ContainerId) -> Result<Vec<Process>, Error> {
        self.record(id).await?;
        let not_running = || Error::WrongState("top can only be used on running containers".to_owned());
        let Status::Running(init) = self.look(id).await?.status else { return Err(not_running()) };
        let id = *id;
        self.engine
            .blocking("listing a container's processes", move || {
                let failed = |source| Error::Io { doing: format!("listing the processes of container {id}"), source };
                let listed = list(init.pid);
                if init.is_alive() { listed.map_err(failed) } else { Err(not_running()) }
            })
            .await
    }
}

fn list(init: i32) -> std::io::Result<Vec<Process>> {
    let namespace = fs::read_link(format!("/proc/{init}/ns/pid"))?;
    let names = Names::of(init);
    let clock = Clock::now();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // Whatever cannot be read has just ended, or is none of ours.
        if fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|other| other == namespace)
            && let Some(process) = read(pid, &names, &clock)
        {
            found.push(process);
        }
    }
    let inside: BTreeMap<i32, i32> = found.iter().map(|(process, _)| (process.host_pid, process.pid)).collect();
    let mut processes: Vec<Process> = found
        .into_iter()
        .map(|(process, parent)| Process { parent: inside.get(&parent).copied().unwrap_or(0), ..process })
        .collect();
    processes.sort_by_key(|process| process.pid);
    Ok(processes)
}

/// Now, by the clocks that /proc counts by.
struct Clock {
    since_boot: i64,
    since_1970: i64,
}

impl Clock {
    fn now() -> Self {
        let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Self { since_boot: boot.tv_sec * 1_000_000_000 + boot.tv_nsec, since_1970: crate::event::now() }
    }
}

/// One process, and its parent's pid on the host.
fn read(pid: i32, names: &Names, clock: &Clock) -> Option<(Process, i32)> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let status = fs::read_to_string(folder.join("status")).ok()?;
    let fields: BTreeMap<&str, &str> =
        status.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect();
    let field = |name: &str| fields.get(name).copied().unwrap_or_default();
    let last = |name: &str| field(name).split_ascii_whitespace().last().and_then(|text| text.parse::<i32>().ok());
    let first = |name: &str| field(name).split_ascii_whitespace().next().and_then(|text| text.parse::<u64>().ok());
    let mask = |name: &str| u64::from_str_radix(field(name), 16).unwrap_or_default();
    let ids = |name: &str| -> Vec<u32> {
        field(name).split_ascii_whitespace().filter_map(|text| text.parse().ok()).collect()
    };
    let (users, groups) = (ids("Uid"), ids("Gid"));
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let numbers: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // proc_pid_stat(5) counts from 1, and two fields came before.
    let number = |place: usize| numbers.get(place - 3).and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    let nanoseconds = |ticks: i64| ticks * (1_000_000_000 / i64::try_from(TICKS).unwrap_or(1));
    let began = nanoseconds(number(22));
    let elapsed = clock.since_boot - began;
    let cmdline = fs::read(folder.join("cmdline")).unwrap_or_default();
    let cmdline = cmdline.strip_suffix(b"\0").unwrap_or(&cmdline);
    let arguments = cmdline.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let label = fs::read_to_string(folder.join("attr/current")).unwrap_or_default();
    let process = Process {
        pid: last("NSpid")?,
        host_pid: pid,
        parent: 0,
        group_leader: last("NSpgid")?,
        command: field("Name").to_owned(),
        arguments: if cmdline.is_empty() { Vec::new() } else { arguments.collect() },
        state: field("State").chars().next()?,
        nice: number(19),
        terminal: terminal(number(7)),
        user: names.user(*users.get(1)?),
        real_user: names.user(*users.first()?),
        group: names.group(*groups.get(1)?),
        real_group: names.group(*groups.first()?),
        groups: ids("Groups").into_iter().map(|gid| names.group(gid)).collect(),
        capabilities: CapabilityMasks {
            ambient: mask("CapAmb"),
            bounding: mask("CapBnd"),
            effective: mask("CapEff"),
            inheritable: mask("CapInh"),
            permitted: mask("CapPrm"),
        },
        seccomp: first("Seccomp").and_then(|mode| u8::try_from(mode).ok()).unwrap_or_default(),
        label: label.trim_end_matches(['\0', '\n']).to_owned(),
        virtual_size: first("VmSize").unwrap_or_default(),
        resident: first("VmRSS").unwrap_or_default(),
        elapsed,
        cpu: nanoseconds(number(14) + number(15)),
        started: clock.since_1970 - elapsed,
    };
    Some((process, i32::try_from(number(4)).ok()?))
}

/// A terminal by its device number, as `proc_pid_stat(5)` packs it.
fn terminal(device: i64) -> Option<String> {
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff_ff00));
    match major {
        0 => None,
        4 if minor < 64 => Some(format!("tty{minor}")),
        4 => Some(format!("ttyS{}", minor - 64)),
        136..=143 => Some(format!("pts/{}", (major - 136) * 256 + minor)),
        _ => Some(format!("{major}:{minor}")),
    }
}

/// Who is who inside and on the host.
struct Names {
    users: Book,
    groups: Book,
}

struct Book {
    map: Vec<Extent>,
    inside: BTreeMap<u32, String>,
    host: BTreeMap<u32, String>,
}

impl Names {
    fn of(init: i32) -> Self {
        let book = |map: &str, file: &str| Book {
            map: map::of_process(init, map).unwrap_or_default(),
            inside: entries(&file_in(init, file)),
            host: entries(&fs::read_to_string(Path::new("/").join(file)).unwrap_or_default()),
        };
        Self { users: book("uid_map", "etc/passwd"), groups: book("gid_map", "etc/group") }
    }

    fn user(&self, host: u32) -> Owner {
        self.users.owner(host)
    }

    fn group(&self, host: u32) -> Owner {
        self.groups.owner(host)
    }
}

impl Book {
    fn owner(&self, host: u32) -> Owner {
        let holds = |extent: &&Extent| host.checked_sub(extent.outside).is_some_and(|offset| offset < extent.count);
        // 65534 is whom the kernel shows for an id that is not mapped.
        let inside = self.map.iter().find(holds).map_or(65534, |extent| extent.inside + (host - extent.outside));
        Owner { inside, name: self.inside.get(&inside).cloned(), host, host_name: self.host.get(&host).cloned() }
    }
}

/// `NAME:PASSWORD:NUMBER:…`, a line each; of two names for a number the first counts.
fn entries(text: &str) -> BTreeMap<u32, String> {
    let mut entries = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(number)) = (fields.next(), fields.nth(1).and_then(|text| text.parse().ok())) {
            entries.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    entries
}

/// What a file of the container holds, whose links lead nowhere else.
fn file_in(init: i32, path: &str) -> String {
    let root = || {
        let root = File::open(format!("/proc/{init}/root")).ok()?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let file = File::from(rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve).ok()?);
        let mut bytes = Vec::new();
        if file.metadata().ok()?.is_file() {
            file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        }
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    root().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_known_by_its_number() {
        assert_eq!(terminal(0), None);
        assert_eq!(terminal(0x8803).as_deref(), Some("pts/3"));
        assert_eq!(terminal(0x0401).as_deref(), Some("tty1"));
        assert_eq!(terminal(0x0440).as_deref(), Some("ttyS0"));
        assert_eq!(terminal((136 << 8) | 1 << 20).as_deref(), Some("pts/256"));
    }

    #[test]
    fn an_id_is_translated_and_named_on_both_sides() {
        let book = Book {
            map: vec![
                Extent { inside: 0, outside: 1000, count: 1 },
                Extent { inside: 1, outside: 100_000, count: 65536 },
            ],
            inside: entries("root:x:0:0::/:/bin/sh\nguest:x:1000:1000::/:\nagain:x:1000:\nbroken\n"),
            host: entries("me:x:1000:1000::/home/me:/bin/sh"),
        };
        let owner = book.owner(1000);
        assert_eq!((owner.inside, owner.name.as_deref(), owner.host_name.as_deref()), (0, Some("root"), Some("me")));
        let owner = book.owner(100_999);
        assert_eq!((owner.inside, owner.name.as_deref(), owner.host_name), (1000, Some("guest"), None));
        assert_eq!(book.owner(5).inside, 65534);
    }

    #[test]
    fn a_process_of_ones_own_is_seen_with_its_arguments() {
        let own = std::process::id().cast_signed();
        let (process, _) = read(own, &Names::of(own), &Clock::now()).unwrap();
        assert_eq!(process.host_pid, own);
        assert!(!process.arguments.is_empty() && process.elapsed >= 0 && process.resident > 0);
        assert_eq!(process.user.host, rustix::process::geteuid().as_raw());
    }
}
