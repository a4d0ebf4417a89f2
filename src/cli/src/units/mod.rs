// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Quadlet's units, as the verbs of `haulout quadlet` read them.

pub mod job;
pub mod own;
pub mod service;
pub mod strays;
pub mod values;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use haulout_engine::systemd::UserManager;
use haulout_engine::{update, userns};
use haulout_quadlet::folder::Kept;
use haulout_quadlet::search::{self, Found};
use haulout_quadlet::{Changes, Outcome, SearchPath, ServiceFolder, Settings, Source, UnitName, generate, rival};

/// The units that are there: a user's own manager's, or of root the machine's.
pub struct Units {
    /// Where they were looked for.
    pub path: SearchPath,
    /// What was found there.
    pub found: Found,
    /// What their services depend on.
    pub settings: Settings,
}

impl Units {
    /// Reads those of whoever asks.
    pub fn load() -> Self {
        Self::below(SearchPath::of_environment(is_of_user()))
    }

    /// Reads those below a folder.
    pub fn of_folder(folder: PathBuf) -> Self {
        Self::below(SearchPath::of_folders([folder]))
    }

    /// Reads those below a folder beside those of whoever asks: what is to be among them.
    pub fn with_folder(folder: PathBuf) -> Self {
        let path = SearchPath::of_environment(is_of_user());
        Self::below(SearchPath::of_folders([folder].into_iter().chain(path.folders().to_vec())))
    }

    /// Reads those of the folder of a file, which has to be a unit's.
    fn of_file(file: &Path) -> Result<Self> {
        // What cannot be found, and why, in the words of the system.
        fs::metadata(file).with_context(|| format!("reading {}", file.display()))?;
        let Some(folder) = file.parent().filter(|_| search::is_unit(file)) else {
            bail!("{} is no unit: {NAMES}", file.display())
        };
        if file.is_dir() {
            bail!("{} is a folder, and no unit", file.display());
        }
        Ok(Self::of_folder(folder.to_owned()))
    }

    fn below(path: SearchPath) -> Self {
        let found = path.load();
        Self { path, found, settings: Settings::of_environment(is_of_user()) }
    }

    /// What becomes of each.
    pub fn outcomes(&self) -> Vec<Outcome<'_>> {
        generate(&self.found.sources, &self.settings)
    }

    /// The one with that name, of its file or its service.
    pub fn find(&self, name: &str) -> Option<&Source> {
        let service = name.strip_suffix(".service").unwrap_or(name);
        let by_file = self.found.sources.iter().find(|source| source.name.to_string() == name);
        by_file.or_else(|| self.found.sources.iter().find(|source| source.service() == service))
    }
}

/// Units among which one is looked for, and its name there: a path is a file's, among those beside it.
pub struct Named {
    /// Those.
    pub units: Units,
    /// The name.
    pub name: String,
}

impl Named {
    /// By what somebody typed.
    pub fn of(typed: &str) -> Result<Self> {
        if !typed.contains('/') {
            return Ok(Self { units: Units::load(), name: typed.to_owned() });
        }
        let path = std::path::absolute(typed)?;
        let units = Units::of_file(&path)?;
        let name = path.file_name().and_then(|file| file.to_str()).unwrap_or_default().to_owned();
        Ok(Self { units, name })
    }
}

/// The service that somebody means by the name of a Quadlet unit's file, or by its own, as systemctl takes it.
pub fn service(typed: &str) -> String {
    let Some(name) = UnitName::parse(typed) else { return update::unit_name(typed) };
    job::service(&Units::load(), typed)
        .unwrap_or_else(|_| format!("{}{}.service", name.stem(), name.kind().service_suffix()))
}

/// What the names of units end in.
pub const NAMES: &str =
    "it should end in .container, .volume, .network, .pod, .kube, .image, .build, .artifact or .quadlets";

/// Writes the services that became of units, for who cannot install the generator. A unit with a mistake keeps the service that it had.
pub fn sync(units: &Units, outcomes: &[Outcome<'_>]) -> Result<Changes> {
    Ok(ServiceFolder::at(own_folder()?).sync_outcomes(&units.found, outcomes)?)
}

/// Removes the services that [`sync`] has written: they would outrank what the generator makes.
pub fn retire() -> Result<Changes> {
    Ok(ServiceFolder::at(own_folder()?).sync(&[], &Kept::default())?)
}

/// Has systemd read the services that [`sync`] wrote.
pub async fn tell() -> Result<()> {
    UserManager::connect().await?.reload().await?;
    Ok(ServiceFolder::at(own_folder()?).told()?)
}

/// A service's text without its comments: each generator writes others.
pub fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with(['#', ';']));
    lines.fold(String::new(), |text, line| text + line + "\n").trim_start().to_owned()
}

/// Whether the units are for a user's manager.
pub fn is_of_user() -> bool {
    !userns::is_root()
}

/// The folder that people put Quadlet's units into.
pub fn source_folder() -> Result<PathBuf> {
    if let Some(first) = SearchPath::of_environment(is_of_user()).folders().first()
        && std::env::var_os("QUADLET_UNIT_DIRS").is_some_and(|said| !said.is_empty())
    {
        return Ok(first.clone());
    }
    if !is_of_user() {
        return Ok(PathBuf::from("/etc/containers/systemd"));
    }
    Ok(config()?.join("containers/systemd"))
}

/// `$XDG_CONFIG_HOME`, or what stands in for it.
fn config() -> Result<PathBuf> {
    haulout_quadlet::home::config().context("finding the folder of your units: neither XDG_CONFIG_HOME nor HOME is set")
}

/// Has systemd have the services of the units as these are now: its generator makes them, or `quadlet sync` does.
pub async fn renew() -> Result<()> {
    if rival::is_generated(is_of_user()) {
        return Ok(UserManager::connect().await?.reload().await?);
    }
    let units = Units::load();
    if sync(&units, &units.outcomes())?.are_to_be_told() {
        tell().await?;
    }
    Ok(())
}

/// The folder of units that somebody writes by hand, which outrank generated ones.
pub fn own_folder() -> Result<PathBuf> {
    let folder = ServiceFolder::of_environment(is_of_user());
    let folder = folder.context("finding the folder of your services: neither XDG_CONFIG_HOME nor HOME is set")?;
    Ok(folder.path().to_owned())
}
