// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A container's mounts: those that every one has, and those that its user asks for.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use oci_spec::runtime::{Mount as OciMount, MountBuilder};

use super::SpecError;
use crate::container::options::VolumeSource;
use crate::container::{Mount, Options, Record};
use crate::paths::Paths;

/// What is in a bundle for a container's own view: name in the bundle, place inside.
pub const FILES: [(&str, &str); 4] = [
    ("hosts", "/etc/hosts"),
    ("resolv.conf", "/etc/resolv.conf"),
    ("hostname", "/etc/hostname"),
    ("containerenv", "/run/.containerenv"),
];

/// What `--read-only` leaves to be written to.
const SCRATCH: [&str; 3] = ["/run", "/tmp", "/var/tmp"];

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
    pub host_network: bool,
    /// The program of `--init`.
    pub init: Option<&'a Path>,
}

/// Every mount of the container, each after those that it is below.
pub(super) fn all(record: &Record, paths: &Paths, defaults: &Defaults<'_>) -> Result<Vec<OciMount>, SpecError> {
    let asked = asked(record, paths)?;
    let covered = |place: &Path| {
        asked.iter().any(|mount| {
            mount.destination == place
                || (KERNEL.iter().any(|kernel| mount.destination == Path::new(kernel))
                    && place.starts_with(&mount.destination))
        })
    };
    let mut mounts: Vec<OciMount> =
        of_every(defaults)?.into_iter().filter(|mount| !covered(mount.destination())).collect();
    for mount in &asked {
        let kind = if mount.kind == "tmpfs" { "tmpfs" } else { "bind" };
        let source = if kind == "tmpfs" { Path::new("tmpfs") } else { &mount.source };
        mounts.push(oci(kind, source, &mount.destination, mount.options.iter().cloned())?);
    }
    // Stable: of two at one depth the user's comes later.
    mounts.sort_by_key(|mount| mount.destination().components().count());
    Ok(mounts)
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
    let access = if defaults.privileged { "rw" } else { "ro" };
    let strict = ["nosuid", "noexec", "nodev"];
    let mut mounts = vec![oci("proc", "proc", "/proc", strict)?];
    mounts.push(if defaults.host_network {
        // The host's network is not this user namespace's: a sysfs of its own cannot be mounted.
        oci("bind", "/sys", "/sys", ["rprivate", "nosuid", "noexec", "nodev", access, "rbind"])?
    } else {
        oci("sysfs", "sysfs", "/sys", ["nosuid", "noexec", "nodev", access])?
    });
    let shm = format!("size={}", defaults.shm_size);
    mounts.extend([
        oci("tmpfs", "tmpfs", "/dev", ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"])?,
        oci(
            "devpts",
            "devpts",
            "/dev/pts",
            ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        )?,
        oci("mqueue", "mqueue", "/dev/mqueue", strict)?,
        oci("tmpfs", "shm", "/dev/shm", ["nosuid", "noexec", "nodev", "mode=1777", &shm])?,
        oci("cgroup", "cgroup", "/sys/fs/cgroup", ["rprivate", "nosuid", "noexec", "nodev", "relatime", access])?,
    ]);
    for (file, place) in FILES {
        let source = defaults.bundle.join(file);
        if !source.exists() {
            continue;
        }
        let options: &[&str] = if defaults.read_only {
            &["bind", "rprivate", "ro", "nosuid", "noexec", "nodev"]
        } else {
            &["bind", "rprivate"]
        };
        mounts.push(oci("bind", source, place, options.iter().copied())?);
    }
    if defaults.read_only {
        for place in SCRATCH {
            mounts.push(oci("tmpfs", "tmpfs", place, ["rw", "rprivate", "nosuid", "nodev", "tmpcopyup"])?);
        }
    }
    if let Some(init) = defaults.init {
        mounts.push(oci("bind", init, super::INIT_PLACE, ["bind", "ro", "private"])?);
    }
    if defaults.privileged {
        for device in devices(Path::new("/dev"))? {
            mounts.push(oci("bind", &device, &device, ["slave", "nosuid", "noexec", "rw", "rbind"])?);
        }
    }
    Ok(mounts)
}

/// The mounts that the user asks for, with every option decided.
pub(crate) fn asked(record: &Record, paths: &Paths) -> Result<Vec<Mount>, SpecError> {
    let mut mounts: Vec<Mount> = Vec::new();
    let mut add = |mount: Mount| {
        // The last for a place counts, as a later flag does.
        mounts.retain(|known| known.destination != mount.destination);
        mounts.push(mount);
    };
    for (place, name) in &record.volumes {
        add(volume(name, place, &[], paths)?);
    }
    for (place, options) in &record.options.tmpfs {
        let options = tmpfs_options(options)?;
        let writable = !options.iter().any(|option| option == "ro");
        add(Mount {
            kind: "tmpfs".into(),
            name: None,
            source: PathBuf::new(),
            destination: place.clone(),
            options,
            writable,
        });
    }
    for asked in &record.options.volumes {
        match &asked.source {
            VolumeSource::Named(name) => add(volume(name, &asked.destination, &asked.options, paths)?),
            VolumeSource::Path(source) => {
                let options = bind_options(&asked.options, &[])?;
                add(Mount {
                    kind: "bind".into(),
                    name: None,
                    source: source.clone(),
                    destination: asked.destination.clone(),
                    writable: is_writable(&options),
                    options,
                });
            }
            VolumeSource::Anonymous => {
                let known = record.volumes.iter().find(|(place, _)| *place == asked.destination);
                if let Some((place, name)) = known {
                    add(volume(name, place, &asked.options, paths)?);
                }
            }
        }
    }
    Ok(mounts)
}

/// Whether the options make sense and what they name is there.
pub(crate) fn check(options: &Options) -> Result<(), SpecError> {
    for volume in &options.volumes {
        bind_options(&volume.options, &[])?;
        if !volume.destination.is_absolute() {
            return Err(SpecError::Relative { place: volume.destination.clone() });
        }
        if let VolumeSource::Path(source) = &volume.source
            && let Err(error) = fs::metadata(source)
        {
            return Err(SpecError::NoSource { path: source.clone(), source: error });
        }
    }
    for (place, words) in &options.tmpfs {
        tmpfs_options(words)?;
        if !place.is_absolute() {
            return Err(SpecError::Relative { place: place.clone() });
        }
    }
    Ok(())
}

fn volume(name: &str, place: &Path, options: &[String], paths: &Paths) -> Result<Mount, SpecError> {
    let options = bind_options(options, &["nosuid", "nodev"])?;
    Ok(Mount {
        kind: "volume".into(),
        name: Some(name.to_owned()),
        source: paths.volume(name).join("_data"),
        destination: place.to_owned(),
        writable: is_writable(&options),
        options,
    })
}

fn is_writable(options: &[String]) -> bool {
    !options.iter().any(|option| option == "ro")
}

/// The options of a bind mount: those asked for, and for each kind that was not, what Podman takes.
fn bind_options(asked: &[String], more: &[&str]) -> Result<Vec<String>, SpecError> {
    let mut options: Vec<String> = Vec::new();
    for word in asked.iter().map(String::as_str) {
        match word {
            "ro" | "rw" | "nosuid" | "suid" | "nodev" | "dev" | "noexec" | "exec" | "rbind" | "bind" | "private"
            | "rprivate" | "slave" | "rslave" | "shared" | "rshared" | "unbindable" | "runbindable" => {
                options.push(word.to_owned());
            }
            // Labels mean nothing without SELinux; copying is decided when the volume is filled.
            "z" | "Z" | "copy" | "nocopy" | "noatime" | "relatime" => {}
            "U" | "O" => return Err(SpecError::NotYet { option: word.to_owned() }),
            _ => return Err(SpecError::Option { option: word.to_owned() }),
        }
    }
    let mut default = |group: &[&str], value: &str| {
        if !options.iter().any(|option| group.contains(&option.as_str())) {
            options.push(value.to_owned());
        }
    };
    default(&["ro", "rw"], "rw");
    default(&["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"], "rprivate");
    if more.contains(&"nosuid") {
        default(&["nosuid", "suid"], "nosuid");
    }
    if more.contains(&"nodev") {
        default(&["nodev", "dev"], "nodev");
    }
    default(&["bind", "rbind"], "rbind");
    Ok(options)
}

fn tmpfs_options(asked: &[String]) -> Result<Vec<String>, SpecError> {
    let mut options: Vec<String> = Vec::new();
    let mut copy_up = true;
    for word in asked.iter().map(String::as_str) {
        match word {
            "notmpcopyup" => copy_up = false,
            "tmpcopyup" => copy_up = true,
            "ro" | "rw" | "nosuid" | "suid" | "nodev" | "dev" | "noexec" | "exec" | "noatime" | "relatime"
            | "private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared" => options.push(word.to_owned()),
            _ if ["size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks="]
                .iter()
                .any(|key| word.starts_with(key)) =>
            {
                options.push(word.to_owned());
            }
            _ => return Err(SpecError::Option { option: word.to_owned() }),
        }
    }
    for (group, value) in [
        (["ro", "rw"].as_slice(), "rw"),
        (&["private", "rprivate", "slave", "rslave", "shared", "rshared"], "rprivate"),
        (&["nosuid", "suid"], "nosuid"),
        (&["nodev", "dev"], "nodev"),
    ] {
        if !options.iter().any(|option| group.contains(&option.as_str())) {
            options.push(value.to_owned());
        }
    }
    if copy_up {
        options.push("tmpcopyup".to_owned());
    }
    Ok(options)
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
    use crate::container::options::Volume;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn record(volumes: &[(VolumeSource, &str, &str)]) -> Record {
        let volumes = volumes.iter().map(|(source, place, options)| Volume {
            source: source.clone(),
            destination: place.into(),
            options: words(options),
        });
        Record {
            id: "0".repeat(64).parse().unwrap(),
            name: "x".parse().unwrap(),
            image: crate::digest::Digest::of(b""),
            image_name: "i".into(),
            created: 0,
            options: Options { volumes: volumes.collect(), ..Options::default() },
            command: Vec::new(),
            ports: Vec::new(),
            volumes: vec![("/anonymous".into(), "abc".into())],
        }
    }

    fn mounts(record: &Record) -> Vec<OciMount> {
        let paths = Paths { data: "/data".into(), runtime: "/run/h".into() };
        let defaults = Defaults {
            bundle: Path::new("/nowhere"),
            shm_size: "65536k",
            privileged: false,
            read_only: record.options.read_only,
            host_network: false,
            init: None,
        };
        all(record, &paths, &defaults).unwrap()
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

    #[test]
    fn an_option_that_is_none_is_named() {
        let wrong = record(&[(VolumeSource::Path("/".into()), "/a", "rw bad")]);
        assert_eq!(check(&wrong.options).unwrap_err().to_string(), "invalid option type \"bad\"");
        let missing = record(&[(VolumeSource::Path("/nowhere".into()), "/a", "")]);
        assert_eq!(check(&missing.options).unwrap_err().to_string(), "statfs /nowhere: no such file or directory");
        let relative = record(&[(VolumeSource::Path("/".into()), "a", "")]);
        assert!(check(&relative.options).unwrap_err().to_string().contains("must be an absolute path"));
    }

    #[test]
    fn a_tmpfs_copies_up_unless_told_not_to() {
        assert_eq!(
            tmpfs_options(&words("size=1m noexec")).unwrap().join(" "),
            "size=1m noexec rw rprivate nosuid nodev tmpcopyup"
        );
        assert_eq!(tmpfs_options(&words("ro notmpcopyup")).unwrap().join(" "), "ro rprivate nosuid nodev");
        assert!(tmpfs_options(&words("foo")).is_err());
    }
}
