// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a container changed in its image's files: found in the upper folder of its overlay and, to tell what is new from what
//! is other, in the layers below.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::prepare::root_of;
use super::{ContainerId, Containers, inspect};
use crate::engine::{Engine, Error};
use crate::step::Step;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

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

impl Containers {
    pub(super) async fn list_changes(&self, id: &ContainerId) -> Result<Vec<Change>, Error> {
        self.record(id).await?;
        let (engine, id) = (self.engine.clone(), *id);
        let found = self.engine.blocking("finding a container's changes", move || {
            let details = inspect::details(&engine, &id)?;
            let root = root_of(&engine, &details.summary.record)?;
            Ok((root, details.mounts.into_iter().map(|mount| mount.destination).collect::<BTreeSet<_>>()))
        });
        let (root, mounted) = found.await?;
        let mut changes = between(&self.engine, root.upper, root.lower).await?;
        changes.retain(|change| !mounted.contains(&change.path));
        Ok(changes)
    }
}

/// What the folder `upper` changes in the layers `lower`, the uppermost first, but for what is made for mounts.
pub(crate) async fn between(engine: &Engine, upper: PathBuf, lower: Vec<PathBuf>) -> Result<Vec<Change>, Error> {
    let place = upper.clone();
    let failed = move |source| Error::Io { doing: format!("listing the changes in {}", place.display()), source };
    let (reader, writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
    let step = Step::Changes { upper, lower };
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
    let layers = lower
        .iter()
        .map(|layer| rustix::fs::openat(CWD, layer, FOLDER, Mode::empty()).map(Some))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|errno| format!("opening the layers of the container: {errno}"))?;
    let mut lister = Lister { to: BufWriter::new(to.into()) };
    let listed = lister.folder(&top, &layers, b"").and_then(|()| lister.to.flush());
    listed.map_err(|error| format!("listing {}: {error}", upper.display()))
}

/// The folders of the layers at one path, the uppermost first; nothing where a layer has none.
type Layers = [Option<OwnedFd>];

/// What the layers together have at a name.
enum Below {
    Nothing,
    Something,
    /// A folder, and those of each layer that show through.
    Folder(Vec<Option<OwnedFd>>),
}

struct Lister {
    to: BufWriter<File>,
}

impl Lister {
    fn tell(&mut self, letter: u8, path: &[u8]) -> io::Result<()> {
        self.to.write_all(&[letter])?;
        self.to.write_all(path)?;
        self.to.write_all(b"\0")
    }

    fn folder(&mut self, folder: &OwnedFd, layers: &Layers, path: &[u8]) -> io::Result<()> {
        let present = names(folder)?;
        if is_opaque(folder) {
            for name in shown(layers)?.difference(&present) {
                self.tell(b'D', &[path, b"/", name.to_bytes()].concat())?;
            }
        }
        for name in &present {
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
            self.tell(if matches!(below, Below::Nothing) { b'A' } else { b'C' }, &path)?;
            if kind == FileType::Directory {
                let lower = rustix::fs::openat(folder, name, FOLDER, Mode::empty())?;
                match below {
                    Below::Folder(layers) => self.folder(&lower, &layers, &path)?,
                    _ => self.folder(&lower, &[], &path)?,
                }
            }
        }
        Ok(())
    }
}

fn names(folder: &OwnedFd) -> io::Result<BTreeSet<CString>> {
    let mut names = BTreeSet::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

fn is_opaque(folder: &OwnedFd) -> bool {
    let mut value = [0_u8; 2];
    matches!(rustix::fs::fgetxattr(folder, "user.overlay.opaque", &mut value[..]), Ok(1)) && value[0] == b'y'
}

/// What is at `name` in the layers.
fn below(layers: &Layers, name: &CStr) -> io::Result<Below> {
    let mut folders = Vec::new();
    for layer in layers.iter().flatten() {
        let stat = match rustix::fs::statat(layer, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice if stat.st_rdev == 0 => break,
            FileType::Directory => {
                let folder = rustix::fs::openat(layer, name, FOLDER, Mode::empty())?;
                let opaque = is_opaque(&folder);
                folders.push(Some(folder));
                if opaque {
                    break;
                }
            }
            // What is no folder hides what is below, or is hidden by a folder above.
            _ if folders.is_empty() => return Ok(Below::Something),
            _ => break,
        }
    }
    Ok(if folders.is_empty() { Below::Nothing } else { Below::Folder(folders) })
}

/// The names that the layers show in a folder.
fn shown(layers: &Layers) -> io::Result<BTreeSet<CString>> {
    let mut all = BTreeSet::new();
    for layer in layers.iter().flatten() {
        all.extend(names(layer)?);
    }
    let mut shown = BTreeSet::new();
    for name in all {
        if !matches!(below(layers, &name)?, Below::Nothing) {
            shown.insert(name);
        }
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
        let file = path("out");
        list(&path("up"), &[path("high"), path("low")], Some(File::create(&file).unwrap().into())).unwrap();
        let bytes = fs::read(&file).unwrap();
        let told: Vec<String> = bytes
            .split(|byte| *byte == 0)
            .filter(|line| !line.is_empty())
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        assert_eq!(told, ["C/bin", "C/bin/vi", "C/etc", "C/etc/passwd", "A/new", "A/new/deep", "A/new/deep/f"]);
    }

    #[test]
    fn a_container_that_never_ran_has_changed_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        list(&folder.path().join("up"), &[], Some(File::create(&file).unwrap().into())).unwrap();
        assert!(fs::read(&file).unwrap().is_empty());
    }
}
