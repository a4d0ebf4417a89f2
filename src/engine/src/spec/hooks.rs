// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Hooks: programs that the OCI runtime runs at certain moments of a container's life (config.md of the OCI runtime specification,
//! "POSIX-platform Hooks"), and the folders of files that say for which containers (oci-hooks(5), schema 1.0.0).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::container::Record;
use crate::container::options::VolumeSource;

/// The moments, as config.json calls them.
pub(crate) const STAGES: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// Where root's are when nothing is said, the less important first. Others have none then, as with Podman.
const OF_ROOT: [&str; 2] = ["/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d"];

/// A program, as config.json has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hook {
    pub path: PathBuf,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}

/// What is wrong with a hook; Podman's words.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The folder or the file cannot be read.
    #[error("setting up OCI Hooks: reading {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no hook.
    #[error("setting up OCI Hooks: parsing hook {:?}: {reason}", path.display().to_string())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Something in it makes no sense.
    #[error("setting up OCI Hooks: {reason} (in {})", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What.
        reason: String,
    },
    /// config.json cannot take it.
    #[error("setting up OCI Hooks")]
    Spec(#[from] serde_json::Error),
}

/// A file of a folder.
#[derive(Debug, Deserialize)]
struct File {
    hook: Hook,
    when: When,
    #[serde(default)]
    stages: Vec<String>,
}

/// For which containers: all that is said must be so.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct When {
    always: Option<bool>,
    annotations: BTreeMap<String, String>,
    commands: Vec<String>,
    has_bind_mounts: Option<bool>,
}

/// Adds to `spec` the hooks that the files in `folders` (the later ones more important; the default ones when nothing) have for it.
pub(crate) fn add_from(folders: Option<&[String]>, spec: &mut Spec, record: &Record) -> Result<(), HookError> {
    let of_root = rustix::process::geteuid().is_root() && haulout_monitor::process::is_root_of_machine();
    let folders: Vec<PathBuf> = match folders {
        Some(folders) => folders.iter().map(PathBuf::from).collect(),
        None if of_root => OF_ROOT.iter().map(PathBuf::from).collect(),
        None => return Ok(()),
    };
    for (_, path) in files(&folders)? {
        let Some(file) = read(&path)? else { continue };
        if !applies(&file.when, spec, record, &path)? {
            continue;
        }
        for stage in &file.stages {
            add(spec, stage, &file.hook)?;
        }
    }
    Ok(())
}

/// The files by their names, in their order; of one name the one in the last folder.
fn files(folders: &[PathBuf]) -> Result<BTreeMap<String, PathBuf>, HookError> {
    let mut found = BTreeMap::new();
    for folder in folders {
        let failed = |source| HookError::Read { path: folder.clone(), source };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                found.insert(name, path);
            }
        }
    }
    Ok(found)
}

/// Nothing when its program is not there: that is told once, and the container runs without it.
fn read(path: &Path) -> Result<Option<File>, HookError> {
    let malformed = |reason: String| HookError::Malformed { path: path.to_owned(), reason };
    let bytes = fs::read(path).map_err(|source| HookError::Read { path: path.to_owned(), source })?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| malformed(format!("version check: {error}")))?;
    match value["version"].as_str() {
        Some("1.0.0") => {}
        other => return Err(malformed(format!("unrecognized hook version: {:?}", other.unwrap_or_default()))),
    }
    let file: File = serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
    if let Some(stage) = file.stages.iter().find(|stage| !STAGES.contains(&stage.as_str())) {
        let reason = if stage == "precreate" {
            "hooks of the stage precreate are not supported".to_owned()
        } else {
            format!("unknown stage {stage:?}")
        };
        return Err(HookError::Invalid { path: path.to_owned(), reason });
    }
    if !file.hook.path.exists() {
        tracing::warn!("the hook {} is left out: {} is not there", path.display(), file.hook.path.display());
        return Ok(None);
    }
    Ok(Some(file))
}

/// Whether the container is one of those that are meant.
fn applies(when: &When, spec: &Spec, record: &Record, path: &Path) -> Result<bool, HookError> {
    let regex = |what: &str, text: &str| {
        Regex::new(text).map_err(|error| HookError::Invalid {
            path: path.to_owned(),
            reason: format!("invalid {what} {text:?}: {error}"),
        })
    };
    let mut conditions: Vec<bool> = when.always.into_iter().collect();
    if !when.commands.is_empty() {
        let process = spec.process().as_ref();
        let command = process.and_then(|process| process.args().as_ref()?.first().cloned()).unwrap_or_default();
        let mut matched = false;
        for text in &when.commands {
            matched |= regex("command", text)?.is_match(&command);
        }
        conditions.push(matched);
    }
    let none = std::collections::HashMap::new();
    let annotations = spec.annotations().as_ref().unwrap_or(&none);
    for (key, value) in &when.annotations {
        let (key, value) = (regex("annotation key", key)?, regex("annotation value", value)?);
        conditions.push(annotations.iter().any(|(name, text)| key.is_match(name) && value.is_match(text)));
    }
    if let Some(wanted) = when.has_bind_mounts {
        let is_bind = |source: &VolumeSource| matches!(source, VolumeSource::Path(_));
        let has = record.options.volumes.iter().any(|volume| is_bind(&volume.source));
        conditions.push(!wanted || has);
    }
    Ok(!conditions.is_empty() && conditions.iter().all(|met| *met))
}

/// Adds one to those of a stage (one of [`STAGES`]).
pub(crate) fn add(spec: &mut Spec, stage: &str, hook: &Hook) -> Result<(), serde_json::Error> {
    let mut hooks = match spec.hooks() {
        Some(hooks) => serde_json::to_value(hooks)?,
        None => json!({}),
    };
    if let Some(stages) = hooks.as_object_mut()
        && let Some(list) = stages.entry(stage).or_insert_with(|| json!([])).as_array_mut()
    {
        list.push(serde_json::to_value(hook)?);
    }
    spec.set_hooks(Some(serde_json::from_value(hooks)?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_later_folder_hides_one_of_its_name() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for path in [one.path().join("1.json"), one.path().join("2.json"), two.path().join("1.json")] {
            fs::write(path, "{}").unwrap();
        }
        fs::write(one.path().join("0.txt"), "").unwrap();
        let folders = [one.path().to_owned(), two.path().to_owned(), one.path().join("nope")];
        let found: Vec<PathBuf> = files(&folders).unwrap().into_values().collect();
        assert_eq!(found, [two.path().join("1.json"), one.path().join("2.json")]);
    }

    #[test]
    fn whatever_is_in_a_file_it_is_read_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.json");
        haulout_fuzz::feed("hook", |bytes| {
            fs::write(&path, bytes).unwrap();
            let _ = read(&path);
        });
    }
}
