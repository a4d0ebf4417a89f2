// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where units are found, and reading them. The only module that touches files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::{env, fs, io};

use rustix::fs::{Mode, OFlags};

use crate::bundle;
use crate::home;
use crate::kind::UnitName;
use crate::problem::{Fault, Problem};
use crate::source::Source;
use crate::unit::Unit;

/// The longest file that is read, in bytes: units are written by people.
const LONGEST_FILE: u64 = 16 * 1024 * 1024;
/// How deep folders are searched.
const DEEPEST: usize = 32;

/// The folders that units are looked for in, the first that has one of a name wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPath(Vec<PathBuf>);

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The units, in the order of their names.
    pub sources: Vec<Source>,
    /// Files that could not be read, and folders.
    pub problems: Vec<(PathBuf, Problem)>,
    /// The folders in which a change may change a unit: those of the path, whether they are there or not, and those below them.
    pub watched: BTreeSet<PathBuf>,
}

impl SearchPath {
    /// That of the user whose manager asks, or of the machine; `QUADLET_UNIT_DIRS` takes its place.
    pub fn of_environment(user: bool) -> Self {
        if let Some(said) = env::var_os("QUADLET_UNIT_DIRS").filter(|said| !said.is_empty()) {
            return Self(env::split_paths(&said).filter(|path| path.is_absolute()).collect());
        }
        if !user {
            let folders = ["/run", "/etc", "/usr/share"];
            return Self(folders.map(|folder| Path::new(folder).join("containers/systemd")).to_vec());
        }
        let own = [home::said("XDG_RUNTIME_DIR"), home::config()];
        let own = own.into_iter().flatten().map(|folder| folder.join("containers/systemd"));
        let uid = rustix::process::getuid().as_raw().to_string();
        let shared = ["/etc", "/usr/share"].into_iter().flat_map(|folder| {
            let users = Path::new(folder).join("containers/systemd/users");
            [users.join(&uid), users]
        });
        Self(own.chain(shared).collect())
    }

    /// These folders.
    pub fn of_folders(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(folders.into_iter().collect())
    }

    /// In order.
    pub fn folders(&self) -> &[PathBuf] {
        &self.0
    }

    /// Reads all units below the folders, with their drop-ins.
    pub fn load(&self) -> Found {
        let mut found = Found::default();
        let Walk { folders, files, drop_ins, .. } = self.walk(&mut found);
        // Nothing of those that are masked: not what a later folder has of the name either.
        let mut units: BTreeMap<UnitName, Option<Source>> = BTreeMap::new();
        for file in &files {
            for (name, source) in read(file, &mut found.problems) {
                units.entry(name).or_insert(source);
            }
        }
        found.sources = units.into_values().flatten().collect();
        for source in &mut found.sources {
            add_drop_ins(source, &drop_ins);
        }
        found.watched = self.0.iter().cloned().chain(folders).chain(drop_ins.into_values().flatten()).collect();
        found
    }

    /// The folders and those below them, links followed, none twice. The folders of other users are none of one's own.
    fn walk(&self, found: &mut Found) -> Walk {
        let mut walk = Walk::default();
        for folder in &self.0 {
            // Of what is for users, one's own folder has a place of its own in the path.
            walk.of_others = folder.file_name().is_some_and(|name| name == "users");
            walk.enter(folder, DEEPEST, &mut found.problems);
        }
        walk
    }
}

/// A file that is a unit or a bundle.
struct File {
    path: PathBuf,
    /// The folder that it is in, without links on the way.
    folder: Rc<Path>,
}

/// What a search comes by.
#[derive(Default)]
struct Walk {
    /// The folders in which units may be, in order.
    folders: Vec<PathBuf>,
    /// Their files that are units or bundles, in the same order, and those of one folder by name.
    files: Vec<File>,
    /// The folders of drop-ins, by their names, in the same order.
    drop_ins: HashMap<String, Vec<PathBuf>>,
    seen: HashSet<PathBuf>,
    /// Whether folders whose names are numbers are other users'.
    of_others: bool,
}

impl Walk {
    /// Adds `folder` and what is below it.
    fn enter(&mut self, folder: &Path, deep: usize, problems: &mut Vec<(PathBuf, Problem)>) {
        let real = match fs::canonicalize(folder) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return problems.push((folder.to_owned(), unreadable(&error))),
        };
        if deep == 0 || !real.is_dir() || !self.seen.insert(real.clone()) {
            return;
        }
        let real: Rc<Path> = real.into();
        self.folders.push(folder.to_owned());
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries.flatten(),
            Err(error) => return problems.push((folder.to_owned(), unreadable(&error))),
        };
        let (mut below, mut files): (Vec<OsString>, Vec<OsString>) = (Vec::new(), Vec::new());
        for entry in entries {
            let name = entry.file_name();
            if is_folder(&entry) {
                below.push(name);
            } else if is_unit(Path::new(&name)) {
                files.push(name);
            }
        }
        below.sort();
        files.sort();
        self.files.extend(files.into_iter().map(|name| File { path: folder.join(name), folder: Rc::clone(&real) }));
        for name in below {
            let path = folder.join(&name);
            let Some(name) = name.to_str() else { continue };
            if path.extension().is_some_and(|end| end == "d") {
                self.drop_ins.entry(name.to_owned()).or_default().push(path);
                continue;
            }
            let number = name.bytes().all(|byte| byte.is_ascii_digit());
            let for_users = name == "users" && folder.ends_with("containers/systemd");
            if !(for_users || self.of_others && number) {
                self.enter(&path, deep - 1, problems);
            }
        }
    }
}

/// Whether it is a folder, or leads to one.
fn is_folder(entry: &fs::DirEntry) -> bool {
    match entry.file_type() {
        Ok(kind) if kind.is_symlink() => entry.path().is_dir(),
        Ok(kind) => kind.is_dir(),
        Err(_) => false,
    }
}

/// Whether a file of that name is a unit or a bundle.
pub fn is_unit(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| UnitName::parse(name).is_some() || is_bundle(path))
}

fn is_bundle(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "quadlets")
}

/// The units of a file, one or those of a bundle, nothing of one that is masked; what is wrong with the file as a whole goes to `problems`.
fn read(file: &File, problems: &mut Vec<(PathBuf, Problem)>) -> Vec<(UnitName, Option<Source>)> {
    let path = &file.path;
    let text = match text(path) {
        Ok(text) => text,
        Err(problem) => {
            problems.push((path.to_owned(), problem));
            return Vec::new();
        }
    };
    let name = path.file_name().and_then(|name| name.to_str()).and_then(UnitName::parse);
    let Some(text) = text else { return name.map(|name| (name, None)).into_iter().collect() };
    let shared: Arc<Path> = Arc::from(path.as_path());
    let source = |name: UnitName, text: &str, first_line| {
        let (unit, problems) = Unit::parse(text, &shared, first_line);
        let (path, folder) = (path.to_owned(), file.folder.to_path_buf());
        (name.clone(), Some(Source { path, folder, name, unit, problems }))
    };
    if !is_bundle(path) {
        return name.map(|name| source(name, &text, 1)).into_iter().collect();
    }
    let mut sources = Vec::new();
    for part in bundle::split(&text) {
        if let Some(name) = part.name {
            sources.push(source(name, part.text, part.first_line));
        } else {
            let reason = format!("the part at line {} has no comment # FileName= with a name", part.first_line);
            problems.push((path.to_owned(), Problem { place: None, fault: Fault::Unreadable { reason } }));
        }
    }
    sources
}

/// A file's text; nothing of one that is masked by a link to /dev/null, as systemd has it. Pipes and other devices are none, and what is
/// longer than anyone writes is not read.
fn text(path: &Path) -> Result<Option<String>, Problem> {
    let problem = |fault| Problem { place: None, fault };
    let failed = |error: io::Error| unreadable(&error);
    // Who opens a pipe without this flag waits for who writes to it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = fs::File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?);
    let data = file.metadata().map_err(failed)?;
    if data.rdev() == rustix::fs::makedev(1, 3) {
        return Ok(None);
    }
    if !data.is_file() {
        return Err(problem(Fault::Unreadable { reason: "it is no regular file".to_owned() }));
    }
    if data.len() > LONGEST_FILE {
        let reason = format!("it is longer than {} MiB", LONGEST_FILE / 1024 / 1024);
        return Err(problem(Fault::Unreadable { reason }));
    }
    // As much as there was when its length was asked for; less where somebody has cut it since.
    let mut bytes = vec![0; usize::try_from(data.len()).unwrap_or_default()];
    let mut read = 0;
    while read < bytes.len() {
        match file.read(&mut bytes[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    bytes.truncate(read);
    if bytes.contains(&0) {
        return Err(problem(Fault::Unreadable { reason: "it has a zero byte in it, and is no text".to_owned() }));
    }
    decoded(bytes).map(Some).ok_or_else(|| problem(Fault::NotUtf8))
}

/// The text of what is UTF-8 but for its comments, which mean nothing to anybody but people.
fn decoded(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).map_or_else(
        |error| {
            let bytes = error.into_bytes();
            let is_comment = |line: &[u8]| matches!(line.trim_ascii_start(), [b'#' | b';', ..]);
            let mut lines = bytes.split(|byte| *byte == b'\n');
            let readable = lines.all(|line| is_comment(line) || str::from_utf8(line).is_ok());
            readable.then(|| String::from_utf8_lossy(&bytes).into_owned())
        },
        Some,
    )
}

fn unreadable(error: &io::Error) -> Problem {
    // Without the number, which Rust puts behind the words.
    let said = error.to_string();
    let reason = said.split(" (os error").next().unwrap_or(&said).to_lowercase();
    Problem { place: None, fault: Fault::Unreadable { reason } }
}

/// Adds the drop-ins of a unit: of each name the nearest, in the order of the names.
fn add_drop_ins(source: &mut Source, folders: &HashMap<String, Vec<PathBuf>>) {
    if folders.is_empty() {
        return;
    }
    let mut nearest: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for name in source.name.drop_in_folders() {
        for folder in folders.get(&name).into_iter().flatten() {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "conf")) {
                nearest.entry(entry.file_name()).or_insert_with(|| entry.path());
            }
        }
    }
    for path in nearest.into_values() {
        match text(&path) {
            Ok(None) => {}
            Ok(Some(text)) => {
                let (unit, problems) = Unit::parse(&text, &Arc::from(path.as_path()), 1);
                source.unit.overlay(unit);
                source.problems.extend(problems);
            }
            Err(Problem { fault, .. }) => {
                let reason = format!("reading {}: {fault}", path.display());
                source.problems.push(Problem { place: None, fault: Fault::Unreadable { reason } });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const UNIT: &str = "[Container]\nImage=q.io/i\n";

    fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_is_masked_is_nothing_and_hides_what_a_later_folder_has() {
        let folder = tempfile::tempdir().unwrap();
        let (near, far) = (folder.path().join("near"), folder.path().join("far"));
        write(&far, "a.container", UNIT);
        write(&far, "b.container", UNIT);
        write(&far, "container.d/x.conf", "[Container]\nUser=1\n");
        write(&near, "b.container.d/y.conf", "[Container]\nGroup=1\n");
        symlink("/dev/null", near.join("a.container")).unwrap();
        symlink("/dev/null", near.join("b.container.d/x.conf")).unwrap();
        let found = SearchPath::of_folders([near, far]).load();
        assert_eq!(found.problems, []);
        let names: Vec<String> = found.sources.iter().map(|source| source.name.to_string()).collect();
        assert_eq!(names, ["b.container"]);
        let unit = &found.sources[0].unit;
        assert!(unit.last("Container", "User").is_none() && unit.last("Container", "Group").is_some());
    }

    #[test]
    fn comments_may_be_in_any_encoding_and_what_counts_may_not() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.container", b"# caf\xe9\n[Container]\n \t; \xff\nImage=q.io/i\n");
        write(folder.path(), "b.container", b"[Container]\nImage=q.io/\xe9\n");
        write(folder.path(), "c.container", b"[Container]\nImage=q.io/i\nLabel=a=\0\n");
        let found = SearchPath::of_folders([folder.path().to_owned()]).load();
        assert_eq!(found.sources.len(), 1);
        assert_eq!(found.sources[0].value("Image"), Some("q.io/i"));
        let told: Vec<String> = found.problems.iter().map(|(_, problem)| problem.to_string()).collect();
        assert_eq!(told, ["not UTF-8", "it has a zero byte in it, and is no text"]);
    }

    #[test]
    fn what_is_above_a_linked_folder_is_what_is_above_where_it_leads() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap().join("src/repo");
        write(&real, "a.container", UNIT);
        let units = folder.path().join("units");
        fs::create_dir(&units).unwrap();
        symlink(&real, units.join("link")).unwrap();
        let found = SearchPath::of_folders([units.clone()]).load();
        let source = &found.sources[0];
        assert_eq!((&source.path, &source.folder), (&units.join("link/a.container"), &real));
    }
}
