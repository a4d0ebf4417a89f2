// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Flags about what is said of a container: labels and annotations.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Result, anyhow, bail};

use crate::exit::os_words;

/// The variable, and the label, that says which unit of systemd's a container belongs to.
const UNIT: &str = "PODMAN_SYSTEMD_UNIT";

/// Flags about what is said of it.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct LabelFlags {
    /// Add annotations to container (key=value)
    #[arg(long)]
    pub annotation: Vec<String>,
    /// Set metadata on container
    #[arg(short, long)]
    pub label: Vec<String>,
    /// Read in a line delimited file of labels
    #[arg(long)]
    pub label_file: Vec<String>,
}

impl LabelFlags {
    pub(super) fn labels(&self) -> Result<BTreeMap<String, String>> {
        let mut labels = BTreeMap::new();
        let mut add = |text: &str| match text.split_once('=').unwrap_or((text, "")) {
            ("", _) => bail!("unable to process labels: invalid label format: {text:?}"),
            (key, value) => {
                labels.insert(key.to_owned(), value.to_owned());
                Ok(())
            }
        };
        for path in &self.label_file {
            let text = fs::read_to_string(path)
                .map_err(|error| anyhow!("unable to process labels: open {path}: {}", os_words(&error)))?;
            for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')) {
                let name = line.split('=').next().unwrap_or(line);
                if name.contains(char::is_whitespace) {
                    bail!("unable to process labels: {path}: name {name:?} has white spaces, poorly formatted name");
                }
                add(line)?;
            }
        }
        self.label.iter().try_for_each(|text| add(text))?;
        // Said by the unit that the command is of. Only here: what an image says of units is nobody's order to restart one.
        if let Some(unit) = std::env::var(UNIT).ok().filter(|unit| !unit.is_empty()) {
            labels.insert(UNIT.to_owned(), unit);
        }
        Ok(labels)
    }

    pub(super) fn annotations(&self) -> Result<BTreeMap<String, String>> {
        let entries = self.annotation.iter().map(|text| match text.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => bail!("annotations must be formatted KEY=VALUE"),
        });
        entries.collect()
    }
}

/// `--annotation KEY=VALUE` of images and lists of them.
pub fn annotations(texts: &[String]) -> Result<BTreeMap<String, String>> {
    let one = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(anyhow!("expected --annotation {text:?} to be in key=value format")),
    };
    texts.iter().map(one).collect()
}
