// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The mounts that a container's user asks for, with every option decided.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::SpecError;
use crate::container::options::VolumeSource;
use crate::container::{ContainerId, Mount, Options, Record};
use crate::paths::Paths;
use crate::volume;

/// How a mount spreads.
const SPREADS: [&str; 8] = ["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"];

/// The volumes that containers have, by name.
pub(crate) type Known = BTreeMap<String, volume::Record>;

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// As `inspect` shows it, options that only the engine understands included.
    pub mount: Mount,
    /// `U`: its files become the container's user's.
    pub owned: bool,
    /// `O`: changes go elsewhere.
    pub over: Option<Over>,
    /// What a new volume's place in the image has is copied into it.
    pub filled: bool,
    /// What a volume is instead of its folder: type, device, options.
    pub instead: Option<(String, String, Vec<String>)>,
}

/// Where the changes to what is mounted with `O` go; with the run when nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Over {
    pub upper: Option<PathBuf>,
    pub work: Option<PathBuf>,
}

impl Asked {
    fn of(mount: Mount) -> Self {
        Self { mount, owned: false, over: None, filled: false, instead: None }
    }

    /// Its own folder in the container's, number `index`, where it is made before the runtime mounts it: an overlay, or a part of a
    /// volume. Nothing when it is mounted as it is.
    pub fn stage(&self, paths: &Paths, id: &ContainerId, index: usize) -> Option<PathBuf> {
        let staged = self.mount.kind == "image" || self.over.is_some() || self.mount.subpath.is_some();
        staged.then(|| stages(paths, id).join(index.to_string()))
    }
}

/// Where what is made for mounts of one run is.
pub(crate) fn stages(paths: &Paths, id: &ContainerId) -> PathBuf {
    paths.container(id).join("mounts")
}

/// Where `/dev/shm` of the container whose messages it shares (`--ipc container:`) is made for it.
pub(crate) fn shared_memory(paths: &Paths, id: &ContainerId) -> PathBuf {
    stages(paths, id).join("shm")
}

/// All of them; of two for one place the later, as a later flag does.
pub(crate) fn asked(record: &Record, paths: &Paths, known: &Known) -> Result<Vec<Asked>, SpecError> {
    let mut mounts: Vec<Asked> = Vec::new();
    let mut add = |asked: Asked| {
        mounts.retain(|other| other.mount.destination != asked.mount.destination);
        mounts.push(asked);
    };
    let volume = |name: &str, place: &Path, options: &[String], part: Option<&PathBuf>| {
        let mut asked = bind(paths.volume(name).join("_data"), place, options, &["nosuid", "nodev"])?;
        "volume".clone_into(&mut asked.mount.kind);
        asked.mount.name = Some(name.to_owned());
        asked.mount.subpath = part.cloned();
        let record = known.get(name);
        let copied = record.is_none_or(volume::Record::is_copied_into);
        asked.filled = copied && !options.iter().any(|option| option == "nocopy");
        asked.instead = record
            .and_then(volume::Record::mounted)
            .map(|(kind, device, words)| (kind.to_owned(), device.to_owned(), words));
        Ok::<_, SpecError>(asked)
    };
    for (place, name) in &record.volumes {
        add(volume(name, place, &[], None)?);
    }
    for (place, options) in &record.options.tmpfs {
        let options = tmpfs_options(options)?;
        add(Asked::of(Mount { kind: "tmpfs".into(), ..plain(PathBuf::new(), place, options) }));
    }
    for special in &record.options.special {
        let mount = plain(PathBuf::from(&special.kind), &special.destination, special.options.clone());
        add(Asked::of(Mount { kind: special.kind.clone(), ..mount }));
    }
    for image in &record.options.images {
        let mut mount = plain(PathBuf::from(&image.image), &image.destination, Vec::new());
        "image".clone_into(&mut mount.kind);
        mount.writable = image.writable;
        mount.subpath.clone_from(&image.subpath);
        add(Asked::of(mount));
    }
    for asked in &record.options.volumes {
        let part = asked.subpath.as_ref();
        match &asked.source {
            VolumeSource::Named(name) => add(volume(name, &asked.destination, &asked.options, part)?),
            VolumeSource::Path(source) => {
                let mut mount = bind(source.clone(), &asked.destination, &asked.options, &[])?;
                mount.mount.subpath = part.cloned();
                add(mount);
            }
            VolumeSource::Anonymous => {
                let known = record.volumes.iter().find(|(place, _)| *place == asked.destination);
                if let Some((place, name)) = known {
                    add(volume(name, place, &asked.options, part)?);
                }
            }
        }
    }
    Ok(mounts)
}

fn plain(source: PathBuf, place: &Path, options: Vec<String>) -> Mount {
    Mount {
        kind: "bind".into(),
        name: None,
        source,
        destination: place.to_owned(),
        writable: !options.iter().any(|option| option == "ro"),
        options,
        subpath: None,
    }
}

/// Whether the options make sense and what they name is there.
pub(crate) fn check(options: &Options) -> Result<(), SpecError> {
    let places = options.tmpfs.iter().map(|(place, _)| place);
    let places = places.chain(options.volumes.iter().map(|volume| &volume.destination));
    let places = places.chain(options.images.iter().map(|image| &image.destination));
    for place in places.chain(options.special.iter().map(|special| &special.destination)) {
        if !place.is_absolute() {
            return Err(SpecError::Relative { place: place.clone() });
        }
    }
    for volume in &options.volumes {
        bind_options(&volume.options, &[])?;
        if let VolumeSource::Path(source) = &volume.source
            && let Err(error) = fs::metadata(source)
        {
            return Err(SpecError::NoSource { path: source.clone(), why: error });
        }
    }
    for (_, words) in &options.tmpfs {
        tmpfs_options(words)?;
    }
    Ok(())
}

fn bind(source: PathBuf, place: &Path, asked: &[String], more: &[&str]) -> Result<Asked, SpecError> {
    let value = |key: &str| asked.iter().find_map(|word| word.strip_prefix(key)).map(PathBuf::from);
    let has = |word: &str| asked.iter().any(|asked| asked == word);
    let over = has("O").then(|| Over { upper: value("upperdir="), work: value("workdir=") });
    let mount = plain(source, place, bind_options(asked, more)?);
    Ok(Asked { owned: has("U"), over, ..Asked::of(mount) })
}

/// The options of a bind mount: those asked for, and for each kind that was not, what Podman takes.
fn bind_options(asked: &[String], more: &[&str]) -> Result<Vec<String>, SpecError> {
    let mut options: Vec<String> = Vec::new();
    for word in asked.iter().map(String::as_str) {
        match word {
            "norecursive" => options.push("bind".to_owned()),
            "ro" | "rw" | "nosuid" | "suid" | "nodev" | "dev" | "noexec" | "exec" | "rbind" | "bind" | "noatime"
            | "relatime" | "z" | "Z" | "U" | "O" | "copy" | "nocopy" | "idmap" => options.push(word.to_owned()),
            _ if SPREADS.contains(&word) => options.push(word.to_owned()),
            _ if ["upperdir=", "workdir="].iter().any(|key| word.starts_with(key)) => options.push(word.to_owned()),
            _ if word.starts_with("idmap=") => return Err(SpecError::Idmap { option: word.to_owned() }),
            _ => return Err(SpecError::Option { option: word.to_owned() }),
        }
    }
    let recursive = !options.iter().any(|option| option == "bind");
    let mut default = |group: &[&str], value: &str| {
        if !options.iter().any(|option| group.contains(&option.as_str())) {
            options.push(value.to_owned());
        }
    };
    default(&["ro", "rw"], "rw");
    default(&SPREADS, if recursive { "rprivate" } else { "private" });
    if more.contains(&"nosuid") {
        default(&["nosuid", "suid"], "nosuid");
    }
    if more.contains(&"nodev") {
        default(&["nodev", "dev"], "nodev");
    }
    default(&["bind", "rbind"], "rbind");
    Ok(options)
}

/// Those of `options` that the runtime understands. Labels mean nothing without SELinux; the rest is done by us.
pub(super) fn for_runtime(options: &[String]) -> impl Iterator<Item = String> {
    let ours = |word: &str| {
        ["z", "Z", "U", "O", "copy", "nocopy", "idmap"].contains(&word)
            || ["upperdir=", "workdir="].iter().any(|key| word.starts_with(key))
    };
    options.iter().filter(move |word| !ours(word)).cloned()
}

fn tmpfs_options(asked: &[String]) -> Result<Vec<String>, SpecError> {
    let mut options: Vec<String> = Vec::new();
    let mut copy_up = true;
    for word in asked.iter().map(String::as_str) {
        match word {
            "notmpcopyup" => copy_up = false,
            "tmpcopyup" => copy_up = true,
            "ro" | "rw" | "nosuid" | "suid" | "nodev" | "dev" | "noexec" | "exec" | "noatime" | "atime"
            | "relatime" | "strictatime" | "nodiratime" | "noswap" | "sync" | "async" | "U" => {
                options.push(word.to_owned());
            }
            _ if SPREADS.contains(&word) => options.push(word.to_owned()),
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
        (&SPREADS, "rprivate"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::options::Volume;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn options(source: VolumeSource, destination: &str, options: &str) -> Options {
        let volume = Volume {
            source,
            destination: destination.into(),
            options: words(options),
            subpath: None,
            driver_options: BTreeMap::new(),
        };
        Options { volumes: vec![volume], ..Options::default() }
    }

    #[test]
    fn an_option_that_is_none_is_named() {
        let wrong = |source: &str, place: &str, words: &str| {
            check(&options(VolumeSource::Path(source.into()), place, words)).unwrap_err().to_string()
        };
        assert_eq!(wrong("/", "/a", "rw bad"), "invalid option type \"bad\"");
        assert_eq!(wrong("/nowhere", "/a", ""), "statfs /nowhere: no such file or directory");
        assert!(wrong("/", "a", "").contains("must be an absolute path"));
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

    #[test]
    fn what_only_the_engine_understands_is_shown_and_not_passed_on() {
        let decided = bind_options(&words("U z noexec"), &[]).unwrap();
        assert_eq!(decided.join(" "), "U z noexec rw rprivate rbind");
        assert_eq!(for_runtime(&decided).collect::<Vec<_>>().join(" "), "noexec rw rprivate rbind");
        assert_eq!(bind_options(&words("norecursive"), &[]).unwrap().join(" "), "bind rw private");
    }
}
