// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about the environment of a container's process, and variables as `-e` and `--env-file` have them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::exit::os_words;

/// Flags about the environment of its process.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct EnvironmentFlags {
    /// Set environment variables in container
    #[arg(short, long)]
    pub env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long)]
    pub env_file: Vec<String>,
    /// Use all current host environment variables in container
    #[arg(long)]
    pub env_host: bool,
    /// Preprocess environment variables from image before injecting them into the container
    #[arg(long)]
    pub env_merge: Vec<String>,
    /// Set proxy environment variables in the container based on the host proxy vars
    #[arg(long, default_value_t = true)]
    pub http_proxy: bool,
    /// Unset environment default variables in container
    #[arg(long)]
    pub unsetenv: Vec<String>,
    /// Unset all default environment variables in container
    #[arg(long)]
    pub unsetenv_all: bool,
}

impl EnvironmentFlags {
    pub(super) fn variables(&self) -> Result<Vec<(String, String)>> {
        let mut env = Env::default();
        if self.env_host {
            env.add_host();
        }
        self.env_file.iter().try_for_each(|path| env.add_file(path))?;
        self.env.iter().try_for_each(|text| env.add(text))?;
        Ok(env.into_inner())
    }

    pub(super) fn merged(&self) -> Result<Vec<(String, String)>> {
        let pair = |text: &String| match text.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => bail!("missing `=` for --env-merge substitution {text}"),
        };
        self.env_merge.iter().map(pair).collect()
    }
}

/// Environment variables, in order; a later one of a name replaces an earlier one in its place.
#[derive(Debug, Default)]
pub struct Env {
    variables: Vec<(String, String)>,
    /// Where each is, by its name: a file may have thousands.
    places: HashMap<String, usize>,
}

impl Env {
    /// The variables.
    pub fn into_inner(self) -> Vec<(String, String)> {
        self.variables
    }

    fn set(&mut self, name: &str, value: String) {
        if let Some(&place) = self.places.get(name) {
            self.variables[place].1 = value;
        } else {
            self.places.insert(name.to_owned(), self.variables.len());
            self.variables.push((name.to_owned(), value));
        }
    }

    /// Every variable of the caller's.
    pub fn add_host(&mut self) {
        for (name, value) in of_host() {
            self.set(&name, value);
        }
    }

    /// One `-e`: `NAME=VALUE`; `NAME`, which is the caller's if it has it; `PREFIX*`, all the caller's that begin so.
    pub fn add(&mut self, text: &str) -> Result<()> {
        if let Some((name, value)) = text.split_once('=') {
            if name.is_empty() {
                bail!("invalid variable: {text:?}");
            }
            self.set(name, value.to_owned());
        } else if let Some(prefix) = text.strip_suffix('*') {
            let mut found: Vec<_> = of_host().filter(|(name, _)| name.starts_with(prefix)).collect();
            found.sort();
            for (name, value) in found {
                self.set(&name, value);
            }
        } else if let Some(value) = std::env::var_os(text) {
            self.set(text, value.to_string_lossy().into_owned());
        }
        Ok(())
    }

    /// A file of them, one a line; lines that are empty or begin with `#` are none.
    pub fn add_file(&mut self, path: &str) -> Result<()> {
        let text = fs::read_to_string(path)
            .map_err(|error| anyhow!("open {path}: {}", os_words(&error)))
            .with_context(|| format!("parsing file {path:?}"))?;
        for line in text.lines() {
            let line = line.trim_start();
            if !line.is_empty() && !line.starts_with('#') {
                self.add(line).with_context(|| format!("parsing file {path:?}"))?;
            }
        }
        Ok(())
    }
}

/// The caller's variables. A container's are text: bytes that are none become U+FFFD, as in Podman's JSON.
fn of_host() -> impl Iterator<Item = (String, String)> {
    let text = |bytes: OsString| bytes.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_variable_wins_and_one_without_a_value_is_the_callers() {
        let mut env = Env::default();
        for text in ["A=1", "B=x=y", "A=2", "PATH", "NO_SUCH_VARIABLE_HERE", "C="] {
            env.add(text).unwrap();
        }
        let path = std::env::var("PATH").unwrap();
        let expected = [("A", "2"), ("B", "x=y"), ("PATH", path.as_str()), ("C", "")];
        assert_eq!(env.into_inner(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(Env::default().add("=x").unwrap_err().to_string(), "invalid variable: \"=x\"");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Env::default().add_file("/nonexistent").unwrap_err();
        assert_eq!(format!("{error:#}"), "parsing file \"/nonexistent\": open /nonexistent: no such file or directory");
    }
}
