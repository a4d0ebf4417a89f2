// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which containers a verb is about: names and ids, `--all`, `--latest`, `--filter`, `--cidfile`.

use std::fs::File;
use std::io;

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::{ContainerId, Containers, Summary, without_slash};
use haulout_engine::{Engine, Error};

use crate::exit::{Failures, os_words};
use crate::{filter, output};

/// A container, and what the user called it: that is printed when it is done.
#[derive(Clone, Debug)]
pub struct Target {
    /// As given, but for a slash before it, or its full id.
    pub given: String,
    /// Its id.
    pub id: ContainerId,
}

/// Does something to each of `targets`, one after the other, and prints what the user called it when it is done: the exit status.
pub async fn each(targets: &[Target], act: impl AsyncFn(&ContainerId) -> Result<(), Error>) -> Result<u8> {
    let mut failures = Vec::new();
    for target in targets {
        match act(&target.id).await {
            Ok(()) => output::line(&target.given)?,
            Err(error) => failures.push(error.into()),
        }
    }
    Failures::of(failures)?;
    Ok(0)
}

/// How a user said which.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'a> {
    /// Names, ids, beginnings of ids.
    pub names: &'a [String],
    /// `--all`.
    pub all: bool,
    /// `--latest`.
    pub latest: bool,
    /// `--filter`.
    pub filters: &'a [String],
    /// `--cidfile`.
    pub cidfiles: &'a [String],
    /// `--ignore`: what is not there is left out.
    pub ignore: bool,
}

impl Selection<'_> {
    /// The containers; of `--all` only those that `meant` holds for.
    pub async fn resolve(self, engine: &Engine, meant: impl Fn(&Summary) -> bool) -> Result<Vec<Target>> {
        let mut names = self.names.to_vec();
        if self.all && !names.is_empty() {
            bail!("no arguments are needed with --all");
        }
        if self.all && self.latest {
            bail!("--all and --latest cannot be used together");
        }
        if self.latest && !names.is_empty() {
            bail!("--latest and containers cannot be used together");
        }
        if !self.filters.is_empty() && !names.is_empty() {
            bail!("--filter takes no arguments");
        }
        for path in self.cidfiles {
            names.extend(in_file(path, self.ignore)?);
        }
        let containers = engine.containers();
        if self.all || self.latest || !self.filters.is_empty() {
            let list = containers.list().await?;
            let filter = filter::Containers::parse(self.filters, engine, &list).await?;
            let found = list.iter().filter(|summary| filter.holds(summary));
            if self.latest {
                let id = latest_of(found).ok_or_else(|| anyhow!("no such container"))?;
                return Ok(vec![Target { given: id.to_string(), id }]);
            }
            let found = found.filter(|summary| !self.all || meant(summary)).map(|summary| summary.record.id);
            return Ok(found.map(|id| Target { given: id.to_string(), id }).collect());
        }
        if names.is_empty() && self.cidfiles.is_empty() {
            bail!("you must provide at least one name or id");
        }
        if names.iter().any(String::is_empty) {
            bail!("name or ID cannot be empty");
        }
        let mut targets = Vec::with_capacity(names.len());
        for given in names {
            match containers.resolve(&given).await {
                Ok(id) => targets.push(Target { given: without_slash(&given).to_owned(), id }),
                Err(Error::NoSuchContainer(_)) if self.ignore => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(targets)
    }
}

/// The id that a `--cidfile` says; nothing where it is not there and may be missing.
fn in_file(path: &str, ignore: bool) -> Result<Option<String>> {
    let failed = |doing: &str, error: &io::Error| anyhow!("reading CIDFile: {doing} {path}: {}", os_words(error));
    let file = match File::open(path) {
        Err(error) if ignore && error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| failed("open", &error))?,
    };
    let text = io::read_to_string(file).map_err(|error| failed("read", &error))?;
    Ok(Some(text.lines().next().unwrap_or("").trim().to_owned()))
}

/// The container that a `--cidfile` says.
pub async fn of_file(containers: &Containers, path: &str) -> Result<ContainerId> {
    Ok(containers.resolve(&in_file(path, false)?.unwrap_or_default()).await?)
}

fn latest_of<'a>(list: impl Iterator<Item = &'a Summary>) -> Option<ContainerId> {
    list.max_by_key(|summary| summary.record.created).map(|summary| summary.record.id)
}

/// The container that was made last.
pub async fn latest(containers: &Containers) -> Result<ContainerId> {
    latest_of(containers.list().await?.iter()).ok_or_else(|| anyhow!("no such container"))
}

/// The one container of a verb that takes just one; `missing` is said when none was named.
pub async fn one(containers: &Containers, name: Option<&String>, newest: bool, missing: &str) -> Result<ContainerId> {
    match name {
        Some(_) if newest => bail!("--latest and containers cannot be used together"),
        Some(name) => Ok(containers.resolve(name).await?),
        None if newest => latest(containers).await,
        None => bail!("{missing}"),
    }
}
