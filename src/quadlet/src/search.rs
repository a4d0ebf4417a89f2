// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where units are found, and reading them. The only module that touches files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
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
        let mut units: BTreeMap<UnitName, Source> = BTreeMap::new();
        for path in &files {
            let (sources, problems) = read(path);
            found.problems.extend(problems);
            for source in sources {
                units.entry(source.name.clone()).or_insert(source);
            }
        }
        for source in units.values_mut() {
            add_drop_ins(source, &drop_ins);
        }
        found.sources = units.into_values().collect();
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

/// What a search comes by.
#[derive(Default)]
struct Walk {
    /// The folders in which units may be, in order.
    folders: Vec<PathBuf>,
    /// Their files that are units or bundles, in the same order, and those of one folder by name.
    files: Vec<PathBuf>,
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
        if deep == 0 || !real.is_dir() || !self.seen.insert(real) {
            return;
        }
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
        self.files.extend(files.into_iter().map(|name| folder.join(name)));
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

/// The units of a file, one or those of a bundle, and what is wrong with the file as a whole.
fn read(path: &Path) -> (Vec<Source>, Vec<(PathBuf, Problem)>) {
    let text = match text(path) {
        Ok(text) => text,
        Err(problem) => return (Vec::new(), vec![(path.to_owned(), problem)]),
    };
    let file: Arc<Path> = Arc::from(path);
    let source = |name: UnitName, text: &str, first_line| {
        let (unit, problems) = Unit::parse(text, &file, first_line);
        Source { path: path.to_owned(), name, unit, problems }
    };
    if !is_bundle(path) {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(UnitName::parse);
        return (name.map(|name| source(name, &text, 1)).into_iter().collect(), Vec::new());
    }
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    for part in bundle::split(&text) {
        if let Some(name) = part.name {
            sources.push(source(name, part.text, part.first_line));
        } else {
            let reason = format!("the part at line {} has no comment # FileName= with a name", part.first_line);
            problems.push((path.to_owned(), Problem { place: None, fault: Fault::Unreadable { reason } }));
        }
    }
    (sources, problems)
}

/// A file's text. Pipes and devices are none, and what is longer than anyone writes is not read.
fn text(path: &Path) -> Result<String, Problem> {
    let problem = |fault| Problem { place: None, fault };
    let failed = |error: io::Error| unreadable(&error);
    // Who opens a pipe without this flag waits for who writes to it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = fs::File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?);
    let data = file.metadata().map_err(failed)?;
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
    String::from_utf8(bytes).map_err(|_| problem(Fault::NotUtf8))
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
            Ok(text) => {
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
