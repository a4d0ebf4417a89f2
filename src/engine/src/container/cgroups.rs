// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who makes a container's cgroup, and in which other one: `cgroup_manager` of containers.conf, `--cgroup-parent`.

use super::options::{Cgroups, Options};
use crate::config::containers::Settings;
use crate::engine::Error;

/// Settles it when a container is made; it stays so. In Podman's words.
pub(super) fn choose(options: &mut Options, settings: &Settings) -> Result<(), Error> {
    if options.cgroups == Cgroups::Enabled && settings.engine.cgroup_manager.as_deref() == Some("cgroupfs") {
        options.cgroups = Cgroups::Unmanaged;
    }
    if let Some(parent) = &options.cgroup_parent {
        let parent = if options.cgroups == Cgroups::Unmanaged { path(parent) } else { slice(parent) };
        options.cgroup_parent = Some(parent.map_err(Error::Invalid)?);
    }
    Ok(())
}

/// A cgroup by its path below the mount.
fn path(text: &str) -> Result<String, String> {
    if text.strip_suffix(".slice").is_some() {
        return Err("systemd slice received as cgroup parent when using cgroupfs: invalid argument".to_owned());
    }
    if text.split('/').any(|part| part == "..") {
        return Err(format!("{text:?} is no path of a cgroup: invalid argument"));
    }
    Ok(text.to_owned())
}

/// One of systemd's slices. Of a path the last part counts, in which systemd has where it is.
fn slice(text: &str) -> Result<String, String> {
    let name = text.rsplit('/').next().unwrap_or(text);
    let Some(stem) = name.strip_suffix(".slice") else {
        return Err(
            "did not receive systemd slice as cgroup parent when using systemd to manage cgroups: invalid argument"
                .to_owned(),
        );
    };
    let ok = |letter: char| letter.is_ascii_alphanumeric() || ":_.\\-".contains(letter);
    if stem != "-" && (stem.split('-').any(str::is_empty) || !stem.chars().all(ok)) {
        return Err(format!("invalid slice name {name:?} in --cgroup-parent: invalid argument"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_a_slice_for_systemd_and_a_path_without_it() {
        assert_eq!(slice("/user.slice/user-a.slice").unwrap(), "user-a.slice");
        assert!(slice("/foo").unwrap_err().starts_with("did not receive systemd slice"));
        assert!(slice("a--b.slice").unwrap_err().starts_with("invalid slice name"));
        assert_eq!(path("/user.slice/foo").unwrap(), "/user.slice/foo");
        assert!(path("foo.slice").unwrap_err().starts_with("systemd slice received"));
        assert!(path("a/../../b").unwrap_err().contains("no path of a cgroup"));
    }
}
