// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The little that a monitor reads and writes in the container's `config.json`.
//!
//! The file may hold a seccomp profile of tens of kilobytes: it is taken apart only as far as needed, and everything else
//! stays the text it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use serde::Deserialize;
use serde_json::value::RawValue;

type Object<'a> = BTreeMap<&'a str, &'a RawValue>;

/// Sets `linux.cgroupsPath` in the bundle's `config.json`.
pub fn set_cgroup(bundle: &Path, cgroup: &str) -> io::Result<()> {
    let file = bundle.join("config.json");
    let text = fs::read_to_string(&file)?;
    let mut spec: Object = serde_json::from_str(&text)?;
    let mut linux: Object = match spec.get("linux") {
        Some(linux) => serde_json::from_str(linux.get())?,
        None => Object::new(),
    };
    let cgroup = serde_json::value::to_raw_value(cgroup)?;
    linux.insert("cgroupsPath", &cgroup);
    let linux = serde_json::value::to_raw_value(&linux)?;
    spec.insert("linux", &linux);
    let temporary = bundle.join("config.json.new");
    fs::write(&temporary, serde_json::to_vec(&spec)?)?;
    fs::rename(temporary, file)
}

/// `process` of the bundle's `config.json`, as it is.
pub fn process(bundle: &Path) -> io::Result<serde_json::Value> {
    #[derive(Deserialize)]
    struct Spec {
        process: serde_json::Value,
    }
    let text = fs::read_to_string(bundle.join("config.json"))?;
    Ok(serde_json::from_str::<Spec>(&text)?.process)
}

/// `process.user` of the bundle's `config.json`, as it is.
pub fn user(bundle: &Path) -> io::Result<serde_json::Value> {
    Ok(process(bundle)?["user"].take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup_is_set_and_nothing_else_changes() {
        let bundle = tempfile::tempdir().unwrap();
        let file = bundle.path().join("config.json");
        let before = r#"{"process":{"user":{"uid":7,"gid":8}},"annotations":{"cgroupsPath":"x"},"linux":{"cgroupsPath":"?","seccomp":{"a":[1.50]}}}"#;
        fs::write(&file, before).unwrap();
        set_cgroup(bundle.path(), "/a \"b\"/container").unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("[1.50]"), "{text}");
        let after: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(after["linux"]["cgroupsPath"], "/a \"b\"/container");
        assert_eq!(after["annotations"]["cgroupsPath"], "x");
        assert_eq!(user(bundle.path()).unwrap()["gid"], 8);
    }
}
