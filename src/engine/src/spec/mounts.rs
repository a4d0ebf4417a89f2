// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's mounts: those that every one has, and those that its user asks for.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use oci_spec::runtime::{Mount as OciMount, MountBuilder};

use super::asked::{self, Asked};
use super::{Request, SpecError};
use crate::container::Options;
use crate::container::options::Namespace;
use crate::secret;

/// What is in a bundle for a container's own view: name in the bundle, place inside.
pub const FILES: [(&str, &str); 4] = [
    ("hosts", "/etc/hosts"),
    ("resolv.conf", "/etc/resolv.conf"),
    ("hostname", "/etc/hostname"),
    ("containerenv", "/run/.containerenv"),
];

/// What `--read-only` leaves to be written to.
const SCRATCH: [&str; 3] = ["/run", "/tmp", "/var/tmp"];

/// What systemd wants to find empty and its own.
const SYSTEMD: [&str; 4] = ["/run", "/run/lock", "/tmp", "/var/log/journal"];

/// What holds data, and neither programs nor devices.
const STRICT: [&str; 3] = ["nosuid", "noexec", "nodev"];

/// Kernel folders: what is mounted below one of these by default is not, when the user mounts the folder itself.
const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];

/// Devices that every runtime makes by itself, and terminals, which are of no use in another devpts.
const NO_DEVICES: [&str; 5] = ["console", "tty", "ptmx", "initctl", "log"];

/// What the default mounts depend on.
#[derive(Clone, Debug)]
pub(super) struct Defaults<'a> {
    pub bundle: &'a Path,
    /// The size of `/dev/shm` as mount(8) has it.
    pub shm_size: &'a str,
    pub privileged: bool,
    pub read_only: bool,
    pub options: &'a Options,
    /// Where another container's `/dev/shm` is, when it shares it.
    pub shared_memory: Option<&'a Path>,
    pub host_network: bool,
    /// Whether the group of terminals is one of its ids.
    pub terminals: bool,
    /// The program of `--init`.
    pub init: Option<&'a Path>,
    /// Whether it is made so that systemd can run in it.
    pub systemd: bool,
}

/// Every mount of the container, each after those that it is below. `asked` are its user's.
pub(super) fn all(request: &Request<'_>, asked: &[Asked], defaults: &Defaults<'_>) -> Result<Vec<OciMount>, SpecError> {
    let covered = |place: &Path| {
        asked.iter().map(|asked| &asked.mount.destination).any(|asked| {
            asked == place || (KERNEL.iter().any(|kernel| asked == Path::new(kernel)) && place.starts_with(asked))
        })
    };
    let mut mounts: Vec<OciMount> =
        of_every(defaults)?.into_iter().filter(|mount| !covered(mount.destination())).collect();
    for (index, asked) in asked.iter().enumerate() {
        mounts.push(of_user(request, asked, index)?);
    }
    // Stable: of two at one depth the user's comes later.
    mounts.sort_by_key(|mount| mount.destination().components().count());
    Ok(mounts)
}

/// What the runtime mounts for the `index`th that was asked for.
fn of_user(request: &Request<'_>, asked: &Asked, index: usize) -> Result<OciMount, SpecError> {
    let mount = &asked.mount;
    let options: Vec<String> = asked::for_runtime(&mount.options).collect();
    if let Some(stage) = asked.stage(request.paths, &request.record.id, index) {
        let options = if mount.kind == "image" {
            let access = if mount.writable { "rw" } else { "ro" };
            [access, "rprivate", "rbind"].map(str::to_owned).to_vec()
        } else {
            options
        };
        return oci("bind", stage.join("merged"), &mount.destination, options);
    }
    if let Some((kind, device, words)) = &asked.instead {
        let bind = ["", "none", "bind"].contains(&kind.as_str());
        let access = if mount.writable { "rw" } else { "ro" };
        let words = words.iter().filter(|word| !word.is_empty()).cloned();
        let kind = if bind { "bind" } else { kind };
        let rest = if bind { ["rprivate", "rbind"].as_slice() } else { &["rprivate"] };
        let options = words.chain([access.to_owned()]).chain(rest.iter().map(|&word| word.to_owned()));
        return oci(kind, device, &mount.destination, options.collect::<Vec<_>>());
    }
    match mount.kind.as_str() {
        // `U` is left for who knows the container's user.
        "tmpfs" => oci("tmpfs", "tmpfs", &mount.destination, mount.options.clone()),
        "ramfs" | "devpts" => oci(&mount.kind, &mount.source, &mount.destination, options),
        _ => oci("bind", &mount.source, &mount.destination, options),
    }
}

/// `slave` or `shared` when a mount wants the host's mounts to go on to arrive: then the root must let them.
pub(super) fn propagation(mounts: &[OciMount]) -> Option<&'static str> {
    let has = |words: [&str; 2]| {
        let options = mounts.iter().filter_map(|mount| mount.options().as_ref());
        options.flatten().any(|option| words.contains(&option.as_str()))
    };
    if has(["shared", "rshared"]) {
        Some("rshared")
    } else if has(["slave", "rslave"]) {
        Some("rslave")
    } else {
        None
    }
}

fn of_every(defaults: &Defaults<'_>) -> Result<Vec<OciMount>, SpecError> {
    let mut mounts = kernel(defaults)?;
    mounts.extend(messages(defaults)?);
    mounts.extend(files(defaults)?);
    if defaults.read_only && !defaults.options.no_scratch {
        for place in SCRATCH {
            mounts.push(oci("tmpfs", "tmpfs", place, ["rw", "rprivate", "nosuid", "nodev", "tmpcopyup"])?);
        }
    }
    if defaults.systemd {
        let size = defaults.options.systemd_size.map(|bytes| format!("size={bytes}"));
        for place in SYSTEMD {
            if !mounts.iter().any(|mount| mount.destination() == Path::new(place)) {
                let words = ["rw", "rprivate", "nosuid", "nodev", "tmpcopyup"].into_iter().chain(size.as_deref());
                mounts.push(oci("tmpfs", "tmpfs", place, words)?);
            }
        }
    }
    mounts.extend(secrets(defaults)?);
    if let Some(init) = defaults.init {
        mounts.push(oci("bind", init, super::INIT_PLACE, ["bind", "ro", "private"])?);
    }
    mounts.extend(host_devices(defaults)?);
    if let Some(zone) = timezone(defaults.options) {
        mounts.push(oci("bind", zone, "/etc/localtime", ["bind", "ro", "rprivate"])?);
    }
    Ok(mounts)
}

/// `--read-only --read-only-tmpfs=false`: there is no place to write to at all.
fn sealed(defaults: &Defaults<'_>) -> Option<&'static str> {
    (defaults.read_only && defaults.options.no_scratch).then_some("ro")
}

/// The kernel's own file systems.
fn kernel(defaults: &Defaults<'_>) -> Result<Vec<OciMount>, SpecError> {
    let options = defaults.options;
    let access = if defaults.privileged { "rw" } else { "ro" };
    // What is below its own cgroup is systemd's to divide.
    let shown = |pattern: &String| pattern == "ALL" || pattern == "/sys/fs/cgroup";
    let is_shown = options.security.unmask.iter().any(shown);
    let cgroup_access = if defaults.systemd || is_shown { "rw" } else { access };
    let proc = if options.namespaces.pid == Namespace::Host {
        // A proc of its own would have to be of processes of its own.
        oci("bind", "/proc", "/proc", ["rbind", "nosuid", "noexec", "nodev"])?
    } else if options.security.proc.is_empty() {
        oci("proc", "proc", "/proc", STRICT)?
    } else {
        oci("proc", "proc", "/proc", options.security.proc.iter().map(String::as_str))?
    };
    let sysfs = if defaults.host_network {
        // The host's network is not this user namespace's: a sysfs of its own cannot be mounted.
        oci("bind", "/sys", "/sys", ["rprivate", "nosuid", "noexec", "nodev", access, "rbind"])?
    } else {
        oci("sysfs", "sysfs", "/sys", ["nosuid", "noexec", "nodev", access])?
    };
    let dev = ["nosuid", "strictatime", "mode=755", "size=65536k"].into_iter().chain(sealed(defaults));
    let terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    let terminals = terminals.into_iter().chain(defaults.terminals.then_some("gid=5"));
    Ok(vec![
        proc,
        sysfs,
        oci("tmpfs", "tmpfs", "/dev", dev)?,
        oci("devpts", "devpts", "/dev/pts", terminals)?,
        oci(
            "cgroup",
            "cgroup",
            "/sys/fs/cgroup",
            ["rprivate", "nosuid", "noexec", "nodev", "relatime", cgroup_access],
        )?,
    ])
}

/// Message queues and shared memory: whose they are is the IPC namespace's to say.
fn messages(defaults: &Defaults<'_>) -> Result<Vec<OciMount>, SpecError> {
    let ipc = &defaults.options.namespaces.ipc;
    if *ipc == Namespace::Host {
        let bound = |place| oci("bind", place, place, ["bind"].into_iter().chain(STRICT));
        return Ok(vec![bound("/dev/mqueue")?, bound("/dev/shm")?]);
    }
    let mut mounts = vec![oci("mqueue", "mqueue", "/dev/mqueue", STRICT)?];
    if *ipc != Namespace::None {
        let size = format!("size={}", defaults.shm_size);
        let words = |more| STRICT.into_iter().chain(more).chain(sealed(defaults));
        mounts.push(match defaults.shared_memory {
            Some(shared) => oci("bind", shared, "/dev/shm", words(["bind", "rprivate"]))?,
            None => oci("tmpfs", "shm", "/dev/shm", words(["mode=1777", &size]))?,
        });
    }
    Ok(mounts)
}

/// The bundle's own files.
fn files(defaults: &Defaults<'_>) -> Result<Vec<OciMount>, SpecError> {
    let options: &[&str] = if defaults.read_only {
        &["bind", "rprivate", "ro", "nosuid", "noexec", "nodev"]
    } else {
        &["bind", "rprivate"]
    };
    let mut mounts = Vec::new();
    for (file, place) in FILES {
        let source = defaults.bundle.join(file);
        if !source.exists() {
            continue;
        }
        if ["hosts", "resolv.conf"].contains(&file) {
            for folder in &defaults.options.chroot_dirs {
                let place = folder.join(place.trim_start_matches('/'));
                mounts.push(oci("bind", &source, place, options.iter().copied())?);
            }
        }
        mounts.push(oci("bind", source, place, options.iter().copied())?);
    }
    Ok(mounts)
}

fn secrets(defaults: &Defaults<'_>) -> Result<Vec<OciMount>, SpecError> {
    let secrets = secret::place::mounts(defaults.bundle, defaults.options);
    let mut mounts = Vec::new();
    if secrets.iter().any(|(_, place)| place.starts_with(secret::place::FOLDER)) {
        mounts.push(oci("tmpfs", "tmpfs", secret::place::FOLDER, ["rw", "rprivate", "nosuid", "nodev", "mode=0755"])?);
    }
    for (source, place) in secrets {
        mounts.push(oci("bind", source, place, ["bind", "rprivate"])?);
    }
    Ok(mounts)
}

/// The devices that were asked for, and with `--privileged` all: who is not root cannot make any.
fn host_devices(defaults: &Defaults<'_>) -> Result<Vec<OciMount>, SpecError> {
    let mut mounts = Vec::new();
    for device in &defaults.options.devices {
        let access = if device.access.contains('w') { "rw" } else { "ro" };
        let found = if device.host.is_dir() { devices(&device.host)? } else { vec![device.host.clone()] };
        for host in found {
            let inside = host.strip_prefix(&device.host).ok().filter(|rest| !rest.as_os_str().is_empty());
            let inside = inside.map_or(device.inside.clone(), |rest| device.inside.join(rest));
            mounts.push(oci("bind", &host, inside, ["slave", "nosuid", "noexec", access, "rbind"])?);
        }
    }
    if defaults.privileged {
        for device in devices(Path::new("/dev"))? {
            mounts.push(oci("bind", &device, &device, ["slave", "nosuid", "noexec", "rw", "rbind"])?);
        }
    }
    Ok(mounts)
}

/// The file of the time zone that was asked for.
pub(crate) fn timezone(options: &Options) -> Option<PathBuf> {
    match options.timezone.as_deref()? {
        "" => None,
        "local" => fs::canonicalize("/etc/localtime").ok(),
        zone => Some(Path::new("/usr/share/zoneinfo").join(zone)),
    }
}

/// The host's devices, for a privileged container.
fn devices(folder: &Path) -> Result<Vec<PathBuf>, SpecError> {
    let failed = |source: io::Error| SpecError::Devices { folder: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, kind) = (entry.file_name(), entry.file_type().map_err(failed)?);
        let text = name.to_string_lossy();
        if kind.is_dir() && !["pts", "shm", "mqueue", "fd"].contains(&text.as_ref()) {
            // A folder that cannot be read holds devices that cannot be used either.
            found.extend(devices(&entry.path()).unwrap_or_default());
        } else if (kind.is_char_device() || kind.is_block_device())
            && !NO_DEVICES.contains(&text.as_ref())
            && !(text.starts_with("tty") && text[3..].starts_with(|next: char| next.is_ascii_digit()))
        {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn oci<I>(kind: &str, source: impl AsRef<Path>, place: impl AsRef<Path>, options: I) -> Result<OciMount, SpecError>
where
    I: IntoIterator,
    I::Item: Into<String>,
{
    MountBuilder::default()
        .typ(kind)
        .source(source.as_ref())
        .destination(place.as_ref())
        .options(options.into_iter().map(Into::into).collect::<Vec<String>>())
        .build()
        .map_err(SpecError::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::containers::Settings;
    use crate::container::Record;
    use crate::container::options::{Volume, VolumeSource};
    use crate::paths::Paths;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn record(volumes: &[(VolumeSource, &str, &str)]) -> Record {
        let volumes = volumes.iter().map(|(source, place, options)| Volume {
            source: source.clone(),
            destination: place.into(),
            options: words(options),
            subpath: None,
            driver_options: std::collections::BTreeMap::new(),
        });
        Record {
            id: "0".repeat(64).parse().unwrap(),
            name: "x".parse().unwrap(),
            image: Some(crate::digest::Digest::of(b"")),
            image_name: "i".into(),
            created: 0,
            options: Options { volumes: volumes.collect(), ..Options::default() },
            command: Vec::new(),
            entrypoint: 0,
            ports: Vec::new(),
            volumes: vec![("/anonymous".into(), "abc".into())],
            exposed: Vec::new(),
            mapping: None,
        }
    }

    fn mounts(record: &Record) -> Vec<OciMount> {
        let paths = Paths::at("/data".into(), "/run/h".into());
        let defaults = Defaults {
            bundle: Path::new("/nowhere"),
            shm_size: "65536k",
            privileged: false,
            read_only: record.options.read_only,
            options: &record.options,
            shared_memory: None,
            host_network: false,
            terminals: true,
            init: None,
            systemd: false,
        };
        let request = Request {
            record,
            image: &oci_spec::image::ImageConfiguration::default(),
            settings: &Settings::default(),
            paths: &paths,
            hostname: "h",
            init: None,
            volumes: &asked::Known::new(),
            shared: crate::spec::Shared::default(),
        };
        let asked = asked::asked(record, &paths, &asked::Known::new()).unwrap();
        all(&request, &asked, &defaults).unwrap()
    }

    fn options<'a>(mounts: &'a [OciMount], place: &str) -> Option<(&'a Path, String)> {
        let mount = mounts.iter().find(|mount| mount.destination() == Path::new(place))?;
        Some((mount.source().as_deref().unwrap(), mount.options().as_deref().unwrap().join(" ")))
    }

    #[test]
    fn what_is_not_said_of_a_volume_is_as_podman_has_it() {
        let record = record(&[
            (VolumeSource::Path("/tmp".into()), "/a", "ro rslave"),
            (VolumeSource::Path("/tmp".into()), "/b", "z"),
            (VolumeSource::Named("vol".into()), "/c", ""),
        ]);
        let mounts = mounts(&record);
        assert_eq!(options(&mounts, "/a").unwrap(), (Path::new("/tmp"), "ro rslave rbind".to_owned()));
        assert_eq!(options(&mounts, "/b").unwrap().1, "rw rprivate rbind");
        let volume = (Path::new("/data/volumes/vol/_data"), "rw rprivate nosuid nodev rbind".to_owned());
        assert_eq!(options(&mounts, "/c").unwrap(), volume);
        assert_eq!(options(&mounts, "/anonymous").unwrap().0, Path::new("/data/volumes/abc/_data"));
        assert_eq!(propagation(&mounts), Some("rslave"));
    }

    #[test]
    fn a_mount_comes_after_those_that_it_is_below() {
        let mounts = mounts(&record(&[
            (VolumeSource::Path("/tmp".into()), "/dev/shm/deep", ""),
            (VolumeSource::Path("/x".into()), "/", ""),
        ]));
        let depths: Vec<usize> = mounts.iter().map(|mount| mount.destination().components().count()).collect();
        assert!(depths.is_sorted(), "{depths:?}");
        assert!(options(&mounts, "/dev/shm").is_some());
    }

    #[test]
    fn the_users_mount_takes_the_place_of_the_default_one() {
        let mounts = mounts(&record(&[
            (VolumeSource::Path("/dev".into()), "/dev", "rslave"),
            (VolumeSource::Path("/h".into()), "/proc", ""),
        ]));
        assert_eq!(mounts.iter().filter(|mount| mount.destination().starts_with("/dev")).count(), 1);
        assert_eq!(options(&mounts, "/dev").unwrap().0, Path::new("/dev"));
        assert_eq!(options(&mounts, "/proc").unwrap().0, Path::new("/h"));
    }
}
