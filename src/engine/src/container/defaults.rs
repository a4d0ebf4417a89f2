// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What containers.conf says of a container where its options say nothing.

use haulout_monitor::process::is_root_of_machine;

use super::options::mount::Mounts;
use super::options::words::WordsError;
use super::options::{Cgroups, ImageVolume, LogDriver, Namespace, Network, Options, Userns, device};
use crate::config::containers::Settings;
use crate::engine::Error;
use crate::update::UNIT;

/// Lays the settings below the options.
pub(super) fn apply(options: &mut Options, settings: &Settings) -> Result<(), Error> {
    let configured = &settings.containers;
    if options.log.driver == LogDriver::Default {
        options.log.driver = match configured.log_driver.as_deref() {
            Some("json-file") => LogDriver::JsonFile,
            Some("journald") => LogDriver::Journald,
            Some("none") => LogDriver::None,
            Some("passthrough") => LogDriver::Passthrough,
            Some("passthrough-tty") => LogDriver::PassthroughTty,
            // Whoever has a unit looks into its journal.
            None if options.labels.contains_key(UNIT) => LogDriver::Journald,
            _ => LogDriver::K8sFile,
        };
    }
    options.log.max_size = options.log.max_size.or(configured.log_size_max.and_then(|size| u64::try_from(size).ok()));
    if options.log.tag.is_none() {
        options.log.tag.clone_from(&configured.log_tag);
    }
    options.timezone = options.timezone.take().or(configured.tz.clone());
    options.stop_timeout = options.stop_timeout.or(settings.engine.stop_timeout);
    if let (Userns::Host, false, Some(mode)) = (&options.userns, options.userns_said, &configured.userns) {
        options.userns = mode
            .parse()
            .map_err(|error| Error::Invalid(format!("containers.userns in containers.conf is {mode:?}: {error}")))?;
    }
    if !options.settled {
        settle(options, settings);
        mount(options, settings).map_err(|error| Error::Invalid(format!("{error}, as containers.conf asks for")))?;
    }
    if options.network == Network::Default && wants_slirp(settings) {
        options.network = Network::Slirp(Vec::new());
    }
    Ok(())
}

/// What a flag can say, for who has no flags. A namespace or a network that is some other container's is not for everyone.
fn settle(options: &mut Options, settings: &Settings) {
    let configured = &settings.containers;
    options.init |= configured.init == Some(true);
    options.read_only |= configured.read_only == Some(true);
    options.privileged |= configured.privileged == Some(true);
    options.no_proxy |= configured.http_proxy == Some(false);
    options.names.no_hosts |= configured.no_hosts == Some(true);
    if options.image_volume == ImageVolume::Anonymous {
        options.image_volume = match settings.engine.image_volume_mode.as_deref() {
            Some("tmpfs") => ImageVolume::Tmpfs,
            Some("ignore" | "nil") => ImageVolume::Ignore,
            _ => ImageVolume::Anonymous,
        };
    }
    if options.cgroups == Cgroups::Enabled && configured.cgroups.as_deref() == Some("disabled") {
        options.cgroups = Cgroups::Disabled;
    }
    if options.network == Network::Default {
        options.network = match configured.netns.as_deref() {
            Some("none") => Network::None,
            Some("host") => Network::Host,
            _ => Network::Default,
        };
    }
    let namespaces = &mut options.namespaces;
    for (namespace, said) in [
        (&mut namespaces.pid, &configured.pidns),
        (&mut namespaces.ipc, &configured.ipcns),
        (&mut namespaces.uts, &configured.utsns),
        (&mut namespaces.cgroup, &configured.cgroupns),
    ] {
        if *namespace == Namespace::Default {
            *namespace = match said.as_deref() {
                Some("host") => Namespace::Host,
                Some("private") => Namespace::Private,
                Some("shareable") => Namespace::Shareable,
                Some("none") => Namespace::None,
                _ => Namespace::Default,
            };
        }
    }
}

/// What is mounted in every container, unless its own options have something in that place, and the devices of every one.
fn mount(options: &mut Options, settings: &Settings) -> Result<(), WordsError> {
    let configured = &settings.containers;
    let mut own = Mounts {
        volumes: std::mem::take(&mut options.volumes),
        tmpfs: std::mem::take(&mut options.tmpfs),
        images: std::mem::take(&mut options.images),
        special: std::mem::take(&mut options.special),
    };
    let mut wanted = Mounts::default();
    configured.mounts.items().iter().try_for_each(|text| wanted.add(text))?;
    configured.volumes.items().iter().try_for_each(|text| wanted.add_volume(text))?;
    wanted.give_way(&own);
    own.volumes.extend(wanted.volumes);
    own.tmpfs.extend(wanted.tmpfs);
    own.images.extend(wanted.images);
    own.special.extend(wanted.special);
    Mounts { volumes: options.volumes, tmpfs: options.tmpfs, images: options.images, special: options.special } = own;
    for text in configured.devices.items() {
        if device::is_cdi(text) {
            options.cdi_devices.push(text.clone());
        } else {
            options.devices.push(device::parse(text)?);
        }
    }
    Ok(())
}

/// Whether an ordinary user's containers are joined by slirp4netns when nothing is said.
fn wants_slirp(settings: &Settings) -> bool {
    settings.network.default_rootless_network_cmd.as_deref() == Some("slirp4netns") && !is_root_of_machine()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::containers::List;
    use crate::container::options::{Volume, VolumeSource};

    #[test]
    fn mounts_and_devices_are_for_everyone_unless_something_else_is_there() {
        let mut settings = Settings::default();
        settings.containers.volumes = List::of(vec!["/tmp:/x:ro".into(), "named:/y".into()]);
        settings.containers.mounts = List::of(vec!["type=tmpfs,dst=/z".into()]);
        settings.containers.devices = List::of(vec!["/dev/null:/dev/foo".into(), "vendor.com/kind=one".into()]);
        let own = Volume {
            source: VolumeSource::Anonymous,
            destination: "/x".into(),
            options: Vec::new(),
            subpath: None,
            driver_options: std::collections::BTreeMap::new(),
        };
        let mut options = Options { volumes: vec![own.clone()], ..Options::default() };
        apply(&mut options, &settings).unwrap();
        assert_eq!(options.volumes[0], own);
        let places: Vec<_> = options.volumes.iter().map(|volume| volume.destination.as_path()).collect();
        assert_eq!(places, [Path::new("/x"), Path::new("/y")]);
        assert_eq!(options.tmpfs[0].0, Path::new("/z"));
        assert_eq!((options.devices[0].inside.as_path(), options.devices.len()), (Path::new("/dev/foo"), 1));
        assert_eq!(options.cdi_devices, ["vendor.com/kind=one"]);
        let mut settled = Options { settled: true, ..Options::default() };
        apply(&mut settled, &settings).unwrap();
        assert!(settled.volumes.is_empty() && settled.devices.is_empty());
        settings.containers.volumes = List::of(vec!["/nonexistent:/x".into()]);
        let error = apply(&mut Options::default(), &settings).unwrap_err().to_string();
        assert_eq!(error, "statfs /nonexistent: no such file or directory, as containers.conf asks for");
    }

    #[test]
    fn what_a_flag_said_stays_and_who_has_no_flags_gets_what_is_configured() {
        let mut settings = Settings::default();
        settings.containers.init = Some(true);
        settings.containers.read_only = Some(true);
        settings.containers.pidns = Some("host".into());
        settings.containers.netns = Some("none".into());
        let mut settled = Options { settled: true, ..Options::default() };
        apply(&mut settled, &settings).unwrap();
        assert!(!settled.init && !settled.read_only);
        assert_eq!((settled.namespaces.pid, settled.network), (Namespace::Default, Network::Default));
        let mut open = Options::default();
        apply(&mut open, &settings).unwrap();
        assert!(open.init && open.read_only);
        assert_eq!((open.namespaces.pid, open.network), (Namespace::Host, Network::None));
    }
}
