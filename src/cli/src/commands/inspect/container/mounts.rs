// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `Mounts` and `Binds`.

use haulout_engine::container::Mount;

use super::View;
use crate::format::{Data, Struct};

impl View<'_> {
    pub(super) fn mounts(&self) -> Vec<Data> {
        self.shown(&["tmpfs"]).into_iter().map(mount).collect()
    }

    pub(super) fn binds(&self) -> Vec<String> {
        self.shown(&["tmpfs", "image"]).into_iter().map(bind).collect()
    }

    /// The mounts but for those of these kinds, in the order of their places.
    fn shown(&self, hidden: &[&str]) -> Vec<&Mount> {
        let mut mounts: Vec<_> =
            self.details.mounts.iter().filter(|mount| !hidden.contains(&mount.kind.as_str())).collect();
        mounts.sort_by_key(|mount| &mount.destination);
        mounts
    }
}

/// How a mount spreads: one of the options.
fn propagation(mount: &Mount) -> &str {
    let spreads = ["shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable"];
    mount.options.iter().map(String::as_str).find(|option| spreads.contains(option)).unwrap_or("rprivate")
}

/// The options that are shown: neither how it spreads, nor its label, nor whether it can be written.
fn other_options(mount: &Mount) -> Vec<String> {
    let shown = |option: &&String| **option != propagation(mount) && !["ro", "rw", "z", "Z"].contains(&option.as_str());
    mount.options.iter().filter(shown).cloned().collect()
}

fn mount(mount: &Mount) -> Data {
    let driver = if mount.kind == "volume" { "local" } else { "" };
    let is_image = mount.kind == "image";
    let special = ["ramfs", "devpts"].contains(&mount.kind.as_str());
    let mode = mount.options.iter().find(|option| ["z", "Z"].contains(&option.as_str()));
    let propagation = if is_image || special { "" } else { propagation(mount) };
    Struct::of("define.InspectMount")
        .with("Type", if special { "bind" } else { &mount.kind })
        .with_omitted("Name", "Name", mount.name.clone().unwrap_or_default())
        .with("Source", mount.source.display().to_string())
        .with("Destination", mount.destination.display().to_string())
        .with("Driver", driver)
        .with("Mode", mode.map_or("", String::as_str))
        .with("Options", if is_image { Data::List(None) } else { other_options(mount).into() })
        .with("RW", mount.writable)
        .with("Propagation", propagation.to_owned())
        .with_omitted(
            "SubPath",
            "SubPath",
            mount.subpath.as_ref().map_or(String::new(), |path| path.display().to_string()),
        )
        .into()
}

fn bind(mount: &Mount) -> String {
    let source = mount.name.clone().unwrap_or_else(|| mount.source.display().to_string());
    let place = mount.destination.display();
    match mount.options.join(",") {
        none if none.is_empty() => format!("{source}:{place}"),
        options => format!("{source}:{place}:{options}"),
    }
}
