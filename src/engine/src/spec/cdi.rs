// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices by their qualified names, `VENDOR/CLASS=NAME`: files of the machine's say what such a device is made of (Container Device
//! Interface specification 0.8).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{MountBuilder, Spec};
use serde::Deserialize;

use super::hooks::{self, Hook, STAGES};
use crate::container::Record;
use crate::container::options::Device;

/// Where the files are when nothing is said, the less important first.
const FOLDERS: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// Why a container cannot have a device.
#[derive(Debug, thiserror::Error)]
pub enum CdiError {
    /// No file has it, or several of equal importance do.
    #[error("setting up CDI devices: unresolvable CDI devices {}", named(devices, notes))]
    Unresolvable {
        /// Which.
        devices: Vec<String>,
        /// What is wrong with the files that were read.
        notes: Vec<String>,
    },
    /// What it is made of is not on this machine, or makes no sense.
    #[error("setting up CDI devices: {device}: {reason}")]
    Unusable {
        /// Which.
        device: String,
        /// Why.
        reason: String,
    },
}

/// The devices, and what is wrong with the files.
fn named(devices: &[String], notes: &[String]) -> String {
    let devices = devices.join(", ");
    std::iter::once(devices.as_str()).chain(notes.iter().map(String::as_str)).collect::<Vec<_>>().join("; ")
}

/// One file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(rename = "cdiVersion")]
    _version: String,
    kind: String,
    devices: Vec<Named>,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    name: String,
    container_edits: Edits,
}

/// What becomes otherwise in a container that has the device.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Edits {
    env: Vec<String>,
    device_nodes: Vec<Node>,
    mounts: Vec<Mount>,
    hooks: Vec<NamedHook>,
    #[serde(rename = "additionalGids")]
    groups: Vec<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    path: PathBuf,
    host_path: Option<PathBuf>,
    permissions: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    host_path: PathBuf,
    container_path: PathBuf,
    #[serde(default)]
    options: Vec<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct NamedHook {
    #[serde(rename = "hookName")]
    stage: String,
    #[serde(flatten)]
    hook: Hook,
}

/// What all devices of a container come to.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    /// Each with the device that it is of; what belongs to all devices of a file once, before them.
    edits: Vec<(String, Edits)>,
}

impl Devices {
    /// Looks `names` up in the files of `folders` (the default ones when nothing), the later ones more important.
    pub(crate) fn find(names: &[String], folders: Option<&[String]>) -> Result<Self, CdiError> {
        if names.is_empty() {
            return Ok(Self::default());
        }
        let folders: Vec<PathBuf> = if let Some(folders) = folders {
            folders.iter().map(PathBuf::from).collect()
        } else {
            let own = std::env::var_os("HOME").map(|home| Path::new(&home).join(".config/cdi"));
            FOLDERS.iter().map(PathBuf::from).chain(own).collect()
        };
        let mut notes = Vec::new();
        let read: Vec<Vec<File>> = folders.iter().map(|folder| read_folder(folder, &mut notes)).collect();
        let mut found = Self::default();
        let (mut missing, mut used) = (Vec::new(), BTreeSet::new());
        for name in names {
            match resolve(name, &read) {
                Some((place, file, device)) => {
                    if used.insert(place) {
                        found.edits.push((name.clone(), file.container_edits.clone()));
                    }
                    found.edits.push((name.clone(), device.container_edits.clone()));
                }
                None => missing.push(name.clone()),
            }
        }
        if missing.is_empty() { Ok(found) } else { Err(CdiError::Unresolvable { devices: missing, notes }) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The record with the device nodes among the devices that it asks for.
    pub(crate) fn give_nodes(&self, record: &Record) -> Result<Record, CdiError> {
        let mut record = record.clone();
        for (device, edits) in &self.edits {
            for node in &edits.device_nodes {
                let host = node.host_path.clone().unwrap_or_else(|| node.path.clone());
                if !host.exists() {
                    let reason = format!("the device node {} is not there", host.display());
                    return Err(CdiError::Unusable { device: device.clone(), reason });
                }
                let access = node.permissions.clone().unwrap_or_else(|| "rwm".to_owned());
                record.options.devices.push(Device { host, inside: node.path.clone(), access });
            }
        }
        Ok(record)
    }

    /// Makes the other edits in what the runtime gets.
    pub(crate) fn edit(&self, spec: &mut Spec) -> Result<(), CdiError> {
        for (device, edits) in &self.edits {
            let unusable = |reason: String| CdiError::Unusable { device: device.clone(), reason };
            if let Some(process) = spec.process_mut() {
                let env = process.env_mut().get_or_insert_default();
                for variable in &edits.env {
                    let name = variable.split_once('=').map_or(variable.as_str(), |(name, _)| name);
                    env.retain(|known| known.split_once('=').is_none_or(|(known, _)| known != name));
                    env.push(variable.clone());
                }
                let user = process.user_mut();
                let mut groups = user.additional_gids().clone().unwrap_or_default();
                groups.extend(edits.groups.iter().filter(|group| **group != 0));
                user.set_additional_gids((!groups.is_empty()).then_some(groups));
            }
            for mount in &edits.mounts {
                let made = MountBuilder::default()
                    .typ(mount.kind.clone().unwrap_or_else(|| "bind".to_owned()))
                    .source(mount.host_path.clone())
                    .destination(mount.container_path.clone())
                    .options(mount.options.clone())
                    .build();
                let made = made.map_err(|error| unusable(error.to_string()))?;
                spec.mounts_mut().get_or_insert_default().push(made);
            }
            for NamedHook { stage, hook } in &edits.hooks {
                if !STAGES.contains(&stage.as_str()) {
                    return Err(unusable(format!("unknown hook {stage:?}")));
                }
                hooks::add(spec, stage, hook).map_err(|error| unusable(error.to_string()))?;
            }
        }
        Ok(())
    }
}

/// The device of that name: where its file is, the file, the device. Nothing when several files of one folder have it.
fn resolve<'a>(name: &str, folders: &'a [Vec<File>]) -> Option<((usize, usize), &'a File, &'a Named)> {
    let (kind, name) = name.split_once('=')?;
    for (folder, files) in folders.iter().enumerate().rev() {
        let mut found = files.iter().enumerate().filter(|(_, file)| file.kind == kind).filter_map(|(index, file)| {
            let device = file.devices.iter().find(|device| device.name == name)?;
            Some(((folder, index), file, device))
        });
        match (found.next(), found.next()) {
            (Some(one), None) => return Some(one),
            (Some(_), Some(_)) => return None,
            (None, _) => {}
        }
    }
    None
}

/// The files of a folder that can be read; what is wrong with the others is noted.
fn read_folder(folder: &Path, notes: &mut Vec<String>) -> Vec<File> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let kind = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !matches!(kind, "json" | "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| error.to_string());
        let parsed = text.and_then(|text| match kind {
            "json" => serde_json::from_str(&text).map_err(|error| error.to_string()),
            _ => serde_saphyr::from_str(&text).map_err(|error| error.to_string()),
        });
        match parsed {
            Ok(file) => files.push(file),
            Err(error) => notes.push(format!("{}: {error}", path.display())),
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const THING: &str = r#"{"cdiVersion":"0.6.0","kind":"vendor.com/thing","containerEdits":{"env":["ALL=1"]},
        "devices":[{"name":"a","containerEdits":{"env":["A=1"]}},{"name":"b","containerEdits":{"env":["B=1"]}}]}"#;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn find(names: &[&str], folders: &[&tempfile::TempDir]) -> Result<Vec<String>, CdiError> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let folders: Vec<String> = folders.iter().map(|folder| folder.path().display().to_string()).collect();
        let found = Devices::find(&names, Some(&folders))?;
        Ok(found.edits.into_iter().flat_map(|(_, edits)| edits.env).collect())
    }

    #[test]
    fn what_belongs_to_all_devices_of_a_file_is_done_once() {
        let one = folder(&[("v.json", THING), ("nonsense.json", "{"), ("other.txt", "")]);
        assert_eq!(find(&["vendor.com/thing=a", "vendor.com/thing=b"], &[&one]).unwrap(), ["ALL=1", "A=1", "B=1"]);
        let missing = find(&["vendor.com/thing=c"], &[&one]).unwrap_err().to_string();
        assert!(missing.contains("unresolvable CDI devices vendor.com/thing=c; "), "{missing}");
    }

    #[test]
    fn a_later_folder_is_more_important_and_two_files_of_one_are_none() {
        let yaml =
            "cdiVersion: 0.7.0\nkind: vendor.com/thing\ndevices:\n- name: a\n  containerEdits:\n    env: [A=2]\n";
        let (one, two) = (folder(&[("v.json", THING)]), folder(&[("v.yaml", yaml)]));
        assert_eq!(find(&["vendor.com/thing=a"], &[&one, &two]).unwrap(), ["A=2"]);
        let both = folder(&[("v.json", THING), ("v.yaml", yaml)]);
        assert!(find(&["vendor.com/thing=a"], &[&both]).is_err());
        assert_eq!(find(&["vendor.com/thing=b"], &[&both]).unwrap(), ["ALL=1", "B=1"]);
    }

    #[test]
    fn whatever_is_in_a_file_it_is_read_or_refused() {
        let one = folder(&[]);
        haulout_fuzz::feed("cdi", |bytes| {
            fs::write(one.path().join("1.json"), bytes).unwrap();
            fs::write(one.path().join("1.yaml"), bytes).unwrap();
            let _ = read_folder(one.path(), &mut Vec::new());
        });
    }
}
