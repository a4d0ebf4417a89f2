// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container changed in its image's files: found in the upper folder of its overlay and, to tell what is new from what
//! is other, in the layers below.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Stat};
use rustix::io::Errno;

use super::base::root_of;
use super::{ContainerId, Containers, Record, inspect, start};
use crate::engine::{Engine, Error};
use crate::step::Step;
use crate::store::driver::Driver;
use crate::store::layered::{Below, FOLDER, Layers, below, is_opaque, names, opened};

mod differences;

pub(crate) use differences::list as list_differences;

/// What the engine and the runtime make for mounts, as podman leaves it out.
const MADE: [&str; 13] = [
    "/dev",
    "/dev/shm",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/proc",
    "/run",
    "/run/.containerenv",
    "/run/notify",
    "/run/secrets",
    "/sys",
    "/proc/sys",
];

/// How something is other than in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It is there and was not.
    Added,
    /// It is another one.
    Changed,
    /// It was there and is not.
    Deleted,
}

/// One thing that is other than in the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How.
    pub kind: ChangeKind,
    /// Its path in the container.
    pub path: PathBuf,
}

/// Whose files are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// A container's.
    Container(ContainerId),
    /// An image's.
    Image(String),
}

/// The folders that are a root, the uppermost first, and where something else is mounted in it.
type Stack = (Vec<PathBuf>, BTreeSet<PathBuf>);

impl Containers {
    pub(super) async fn list_changes(&self, id: &ContainerId) -> Result<Vec<Change>, Error> {
        let record = self.record(id).await?;
        if record.options.rootfs.is_some_and(|rootfs| !rootfs.over) {
            // What it changes, it changes there.
            return Ok(Vec::new());
        }
        let (root, mounted) = self.stack(id).await?;
        let mut changes = match root.driver {
            Driver::Overlay => between(&self.engine, root.upper, root.lower).await?,
            // It was never started.
            Driver::Vfs if !root.upper.exists() => Vec::new(),
            Driver::Vfs => compare(&self.engine, vec![root.upper], root.lower).await?,
        };
        // Of one that has been removed meanwhile, not everything was seen.
        self.record(id).await?;
        changes.retain(|change| !mounted.contains(&change.path));
        Ok(changes)
    }

    /// The bytes of the files that a container wrote over its image's, as far as the user may look at them.
    pub async fn written(&self, record: &Record) -> u64 {
        let folder = self.engine.paths().container(&record.id);
        if self.engine.paths().driver() == Driver::Overlay {
            return tree_size(&folder.join("upper"));
        }
        let (engine, record) = (self.engine.clone(), record.clone());
        let found = self.engine.blocking("finding a container's files", move || {
            let root = root_of(&engine, &record)?;
            Ok(written_over(&root.upper, &root.lower, Path::new("")))
        });
        found.await.unwrap_or_default()
    }

    pub(super) async fn list_differences(&self, one: &Root, other: &Root) -> Result<Vec<Change>, Error> {
        let (ours, mounted) = self.root(one).await?;
        let (theirs, elsewhere) = self.root(other).await?;
        let mut changes = compare(&self.engine, ours, theirs).await?;
        changes.retain(|change| !mounted.contains(&change.path) && !elsewhere.contains(&change.path));
        Ok(changes)
    }

    async fn root(&self, root: &Root) -> Result<Stack, Error> {
        match root {
            Root::Container(id) => {
                let (root, mounted) = self.stack(id).await?;
                let folders = match root.driver {
                    _ if root.bare => root.lower,
                    Driver::Vfs if root.upper.exists() => vec![root.upper],
                    Driver::Vfs => root.lower,
                    Driver::Overlay => [vec![root.upper], root.lower].concat(),
                };
                Ok((folders, mounted))
            }
            Root::Image(name) => Ok((self.engine.images().inspect(name).await?.layers, BTreeSet::new())),
        }
    }

    async fn stack(&self, id: &ContainerId) -> Result<(start::Root, BTreeSet<PathBuf>), Error> {
        self.record(id).await?;
        let (engine, id) = (self.engine.clone(), *id);
        let found = self.engine.blocking("finding a container's changes", move || {
            let details = inspect::details(&engine, &id)?;
            let root = root_of(&engine, &details.summary.record)?;
            Ok((root, details.mounts.into_iter().map(|mount| mount.destination).collect()))
        });
        found.await
    }
}

/// The bytes of all files in `folder`.
pub fn tree_size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => tree_size(&entry.path()),
        Ok(meta) if meta.is_file() => meta.len(),
        _ => 0,
    };
    entries.flatten().map(size).sum()
}

/// The bytes of the files in the copy `files` that are not those of the layers `lower`, below `path`.
fn written_over(files: &Path, lower: &[PathBuf], path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(files.join(path)) else { return 0 };
    let size = |entry: fs::DirEntry| {
        let here = path.join(entry.file_name());
        match entry.metadata() {
            Ok(found) if found.is_dir() => written_over(files, lower, &here),
            Ok(found) if found.is_file() => {
                let layers = lower.iter().filter_map(|layer| fs::symlink_metadata(layer.join(&here)).ok());
                let same = layers
                    .into_iter()
                    .next()
                    .is_some_and(|other| other.len() == found.len() && other.modified().ok() == found.modified().ok());
                if same { 0 } else { found.len() }
            }
            _ => 0,
        }
    };
    entries.flatten().map(size).sum()
}

/// What the folder `upper` changes in the layers `lower`, the uppermost first, but for what is made for mounts.
pub(crate) async fn between(engine: &Engine, upper: PathBuf, lower: Vec<PathBuf>) -> Result<Vec<Change>, Error> {
    let place = upper.clone();
    listed(engine, Step::Changes { upper, lower }, place).await
}

/// What is other in the folders `ours`, stacked, than in `theirs`, both the uppermost first.
pub(crate) async fn compare(engine: &Engine, ours: Vec<PathBuf>, theirs: Vec<PathBuf>) -> Result<Vec<Change>, Error> {
    if ours == theirs {
        return Ok(Vec::new());
    }
    match ours.split_first() {
        // The one is made on the other.
        Some((upper, lower)) if lower == theirs => between(engine, upper.clone(), theirs).await,
        _ => {
            let place = ours.first().cloned().unwrap_or_default();
            listed(engine, Step::Compare { ours, theirs }, place).await
        }
    }
}

/// The changes that `step` writes down.
async fn listed(engine: &Engine, step: Step, place: PathBuf) -> Result<Vec<Change>, Error> {
    let failed = move |source| Error::Io { doing: format!("listing the changes in {}", place.display()), source };
    let (reader, writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
    let steps = engine.steps().await?;
    let heard = engine.blocking("listing changes", move || {
        let mut bytes = Vec::new();
        File::from(reader).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    });
    let (done, heard) = tokio::join!(steps.run(&step, vec![writer]), heard);
    done?;
    let mut changes: Vec<Change> = heard?.split(|byte| *byte == 0).filter_map(parse).collect();
    changes.retain(|change| !MADE.iter().any(|made| change.path == Path::new(made)));
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

/// A letter and a path.
fn parse(line: &[u8]) -> Option<Change> {
    let (letter, path) = line.split_first()?;
    let kind = match letter {
        b'A' => ChangeKind::Added,
        b'C' => ChangeKind::Changed,
        _ => ChangeKind::Deleted,
    };
    Some(Change { kind, path: crate::step::fork::os(path).into() })
}

/// Writes every change as a letter, the path and a nul.
pub(crate) fn list(upper: &Path, lower: &[PathBuf], to: Option<OwnedFd>) -> Result<(), String> {
    let to = to.ok_or("the step lacks a descriptor")?;
    let top = match rustix::fs::openat(CWD, upper, FOLDER, Mode::empty()) {
        // It was never started.
        Err(Errno::NOENT) => return Ok(()),
        other => other.map_err(|errno| format!("opening {}: {errno}", upper.display()))?,
    };
    let layers = opened(lower)?;
    let mut lister = Lister::to(to);
    let listed = lister.folder(&top, &layers, b"").and_then(|()| lister.to.flush());
    listed.map_err(|error| format!("listing {}: {error}", upper.display()))
}

struct Lister {
    to: BufWriter<File>,
}

impl Lister {
    fn to(to: OwnedFd) -> Self {
        Self { to: BufWriter::new(to.into()) }
    }

    fn tell(&mut self, letter: u8, path: &[u8]) -> io::Result<()> {
        self.to.write_all(&[letter])?;
        self.to.write_all(path)?;
        self.to.write_all(b"\0")
    }

    fn folder(&mut self, folder: &OwnedFd, layers: &Layers, path: &[u8]) -> io::Result<()> {
        for name in &names(folder)? {
            let path = [path, b"/", name.to_bytes()].concat();
            let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            let kind = FileType::from_raw_mode(stat.st_mode);
            let below = below(layers, name)?;
            if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
                if !matches!(below, Below::Nothing) {
                    self.tell(b'D', &path)?;
                }
                continue;
            }
            let lower = match kind {
                FileType::Directory => Some(rustix::fs::openat(folder, name, FOLDER, Mode::empty())?),
                _ => None,
            };
            let letter = match below {
                Below::Nothing => b'A',
                // As Podman has it: what was there is gone, and what is in the new one is new.
                _ if lower.as_ref().is_some_and(is_opaque) => b'D',
                _ => b'C',
            };
            if !(letter == b'C' && is_as_below(&stat, &below)?) {
                self.tell(letter, &path)?;
            }
            match (lower, below) {
                (Some(lower), Below::Folder(layers)) if letter == b'C' => self.folder(&lower, &layers, &path)?,
                (Some(lower), _) => self.folder(&lower, &[], &path)?,
                (None, _) => {}
            }
        }
        Ok(())
    }
}

/// Whether a folder is what it was, and only something in it is not: the kernel copied it up for that.
fn is_as_below(stat: &Stat, below: &Below) -> io::Result<bool> {
    let Below::Folder(layers) = below else { return Ok(false) };
    let Some(uppermost) = layers.iter().flatten().next() else { return Ok(false) };
    let of = |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec, stat.st_mode, stat.st_uid, stat.st_gid);
    Ok(of(stat) == of(&rustix::fs::fstat(uppermost)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::{Duration, SystemTime};

    #[test]
    fn what_is_new_is_told_from_what_is_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, text) in
            [("low/etc/passwd", "x"), ("low/bin/vi", "x"), ("high/etc/group", "x"), ("up/etc/passwd", "y")]
        {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), text).unwrap();
        }
        fs::create_dir_all(path("up/new/deep")).unwrap();
        fs::write(path("up/new/deep/f"), "").unwrap();
        // A folder where there was a file, as overlay leaves it.
        fs::create_dir_all(path("up/bin/vi")).unwrap();
        // One that was copied up for a file in it is as it was; one in which a name has come or gone is not.
        for (name, seconds) in [("high/etc", 1), ("up/etc", 1), ("low/bin", 1), ("up/bin", 2)] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            File::open(path(name)).unwrap().set_modified(time).unwrap();
        }
        let file = path("out");
        list(&path("up"), &[path("high"), path("low")], Some(File::create(&file).unwrap().into())).unwrap();
        let bytes = fs::read(&file).unwrap();
        let told: Vec<String> = bytes
            .split(|byte| *byte == 0)
            .filter(|line| !line.is_empty())
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        assert_eq!(told, ["C/bin", "C/bin/vi", "C/etc/passwd", "A/new", "A/new/deep", "A/new/deep/f"]);
    }

    #[test]
    fn a_container_that_never_ran_has_changed_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        list(&folder.path().join("up"), &[], Some(File::create(&file).unwrap().into())).unwrap();
        assert!(fs::read(&file).unwrap().is_empty());
    }
}
