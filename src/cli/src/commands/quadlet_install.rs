// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout quadlet install`.

use std::fs;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use haulout_engine::Engine;
use haulout_quadlet::{OwnFolder, Severity, UnitName, lasting, own};

use super::quadlet_check;
use crate::invocation::Invocation;
use crate::units::{self, Units};
use crate::{exit, output};

/// What comes after the verb.
pub const USAGE: &str = "[options] FILE|FOLDER|URL [FILE...]";

/// Install units
///
/// Install units from files, folders and URLs, for the user who asks: all of them or none. They are checked first, beside those that are there.
/// What comes after a unit and is none, such as a file of settings, is put beside it; a folder stays a folder.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Reload systemd after installing Quadlets
    #[arg(long, default_value = "true")]
    reload_systemd: bool,
    /// Replace the installation even if the quadlet already exists
    #[arg(short, long)]
    replace: bool,
    sources: Vec<String>,
}

/// How much is taken of a file, and of a folder: units are written by people.
const LONGEST: u64 = 16 * 1024 * 1024;

/// A file to install: where below the folder of units, and what it says.
struct File {
    path: PathBuf,
    text: Vec<u8>,
}

impl File {
    fn is_unit(&self) -> bool {
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        UnitName::parse(name).is_some() || name.ends_with(".quadlets")
    }
}

/// Installs them.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.sources.is_empty() {
        bail!("requires at least 1 arg(s), only received 0");
    }
    let engine = invocation.engine();
    let mut files = Vec::new();
    for source in &args.sources {
        let found = if source.starts_with("http://") || source.starts_with("https://") {
            vec![download(&engine, source).await?]
        } else {
            read(Path::new(source))?
        };
        let is_first = files.is_empty();
        if is_first && !found.iter().any(File::is_unit) {
            bail!("{source} is no unit: {}", units::NAMES);
        }
        for file in found {
            if files.iter().any(|known: &File| known.path == file.path) {
                bail!("two files are to be {}: each name can be installed once", file.path.display());
            }
            files.push(file);
        }
    }
    let folder = units::source_folder()?;
    for file in &files {
        if !args.replace && fs::symlink_metadata(folder.join(&file.path)).is_ok() {
            bail!("{} is there already: --replace puts the new one in its place", folder.join(&file.path).display());
        }
    }
    check(&files)?;
    let lock = OwnFolder::at(&folder).alone().with_context(|| format!("writing to {}", folder.display()))?;
    let mut written: Vec<PathBuf> = Vec::new();
    for file in &files {
        let path = folder.join(&file.path);
        if let Err(error) = write(&path, &file.text, args.replace) {
            // None, where not all can be; what was replaced cannot be brought back, and is whole.
            if !args.replace {
                for path in &written {
                    let _ = fs::remove_file(path);
                }
            }
            return Err(error);
        }
        written.push(path);
    }
    drop(lock);
    for path in &written {
        output::line(&path.display().to_string())?;
    }
    if args.reload_systemd {
        units::renew().await.context("the units are installed, but systemd has not read them")?;
    }
    Ok(0)
}

/// The files of a path: itself, or those of a folder below its name.
fn read(path: &Path) -> Result<Vec<File>> {
    let doing = |path: &Path| format!("reading {}", path.display());
    let named = if path.is_dir() { path.canonicalize().with_context(|| doing(path))? } else { path.to_owned() };
    let Some(name) = named.file_name().map(PathBuf::from) else { bail!("{}: it has no name", doing(path)) };
    if !path.is_dir() {
        return Ok(vec![File { path: name, text: text(path)? }]);
    }
    let (mut files, mut size) = (Vec::new(), 0);
    let mut waiting = vec![(path.to_owned(), name)];
    while let Some((from, to)) = waiting.pop() {
        let entries = fs::read_dir(&from).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = entries.with_context(|| doing(&from))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let to = to.join(entry.file_name());
            match entry.file_type().with_context(|| doing(&entry.path()))? {
                kind if kind.is_dir() => waiting.push((entry.path(), to)),
                _ => {
                    let text = text(&entry.path())?;
                    size += text.len() as u64;
                    files.push(File { path: to, text });
                }
            }
            if size > LONGEST {
                bail!("{} has more than {} MiB in it, which are no units", path.display(), LONGEST / 1024 / 1024);
            }
        }
    }
    Ok(files)
}

fn text(path: &Path) -> Result<Vec<u8>> {
    let doing = || format!("reading {}", path.display());
    let found = fs::metadata(path).with_context(doing)?;
    if !found.is_file() {
        bail!("{} is no regular file", path.display());
    }
    if found.len() > LONGEST {
        bail!("{} is longer than {} MiB", path.display(), LONGEST / 1024 / 1024);
    }
    fs::read(path).with_context(doing)
}

async fn download(engine: &Engine, url: &str) -> Result<File> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name == ".." {
        bail!("{url} does not end in the name of a unit");
    }
    let mut file = fs::File::from(engine.images().download(url).await?);
    let mut text = Vec::new();
    file.rewind()?;
    file.take(LONGEST + 1).read_to_end(&mut text).with_context(|| format!("reading {url}"))?;
    if text.len() as u64 > LONGEST {
        bail!("{url} is longer than {} MiB", LONGEST / 1024 / 1024);
    }
    Ok(File { path: name.into(), text })
}

/// Refuses units with mistakes, as they would be among those that are there.
fn check(files: &[File]) -> Result<()> {
    let folder = tempfile::tempdir().context("making a folder to check the units in")?;
    for file in files {
        write(&folder.path().join(&file.path), &file.text, false)?;
    }
    let units = Units::with_folder(folder.path().to_owned());
    let mut outcomes = units.outcomes();
    outcomes.retain(|outcome| outcome.source.path.starts_with(folder.path()));
    let broken = |outcome: &haulout_quadlet::Outcome<'_>| {
        outcome.problems.iter().any(|problem| problem.fault.severity() == Severity::Error)
    };
    let unreadable = units.found.problems.iter().any(|(path, _)| path.starts_with(folder.path()));
    if unreadable || outcomes.iter().any(broken) {
        let words = quadlet_check::words(&units, &outcomes);
        let words = words.replace(&format!("{}/", folder.path().display()), "");
        bail!("nothing was installed:\n{}", words.trim_end());
    }
    Ok(())
}

/// Writes a file whole, by rename, so that a power cut takes nothing of it.
fn write(path: &Path, text: &[u8], replace: bool) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("/"));
    lasting::make_folder(folder).with_context(doing)?;
    let permissions = fs::Permissions::from_mode(0o644);
    // Its name has no suffix of a unit's: whoever reads the folder meanwhile does not see it.
    let mut file =
        tempfile::Builder::new().prefix(own::PART).permissions(permissions).tempfile_in(folder).with_context(doing)?;
    file.write_all(text).with_context(doing)?;
    file.as_file().sync_all().with_context(doing)?;
    let persisted = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    match persisted {
        Ok(_) => lasting::sync_names(folder).with_context(doing),
        Err(error) => bail!("writing {}: {}", path.display(), exit::os_words(&error.error)),
    }
}
