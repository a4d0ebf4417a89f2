// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Security modules that could confine containers, and that nothing here makes use of: who asked for it in containers.conf is told.
//!
//! Untested where there is one: neither SELinux nor AppArmor is on where this was written.

use std::fs;
use std::path::Path;

use crate::config::containers::Settings;

/// Whether the machine's `SELinux` is on.
pub(crate) fn has_selinux() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

/// Whether its `AppArmor` is.
pub(crate) fn has_apparmor() -> bool {
    fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with('Y'))
}

/// What containers.conf asks for and nobody gets. Where a module is off, it asks for nothing, as with Podman.
pub(super) fn missed(settings: &Settings, selinux: fn() -> bool, apparmor: fn() -> bool) -> Vec<String> {
    let asked = &settings.containers;
    let mut missed = Vec::new();
    for (key, value) in [("label", asked.label), ("label_users", asked.label_users)] {
        if value == Some(true) && selinux() {
            missed.push(format!("containers.conf says {key} = true, but Haulout gives containers no SELinux label: nothing separates them but their user namespace"));
        }
    }
    let profile = asked.apparmor_profile.as_deref().filter(|profile| !["", "unconfined"].contains(profile));
    if let Some(profile) = profile
        && apparmor()
    {
        missed.push(format!(
            "containers.conf says apparmor_profile = {profile:?}, but Haulout gives containers no AppArmor profile"
        ));
    }
    missed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_a_confinement_that_the_machine_has_is_told_and_nobody_else() {
        let mut settings = Settings::default();
        let missed = |settings: &Settings, on: fn() -> bool| missed(settings, on, on).len();
        assert_eq!(missed(&settings, || true), 0);
        settings.containers.label = Some(true);
        settings.containers.apparmor_profile = Some("mine".into());
        assert_eq!((missed(&settings, || true), missed(&settings, || false)), (2, 0));
        settings.containers.label = Some(false);
        settings.containers.apparmor_profile = Some("unconfined".into());
        assert_eq!(missed(&settings, || true), 0);
    }
}
