// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The fields of each kind, in the order in which they are shown.

use super::Group::{Environment, Limits, Main, More, Networks, Ports, Running, Volumes};
use super::Shape::{Choice, Lines, Option, Start, Switch, Text, Words};
use super::{Expects, Field, Group, Parts, Shape};
use crate::kind::Kind;

const fn field(section: &'static str, key: &'static str, shape: Shape, group: Group) -> Field {
    Field { section, key, shape, group }
}

const ANY: Shape = Text(Expects::Anything);
const DESCRIPTION: Field = field("Unit", "Description", ANY, Main);
const START: Field = field("Install", "WantedBy", Start, Running);
const RESTART: Field = field("Service", "Restart", Choice(&["on-failure", "always", "no"]), Running);
const PULL: &[&str] = &["missing", "newer", "always", "never"];

const CONTAINER: &[Field] = &[
    DESCRIPTION,
    field("Container", "Image", ANY, Main),
    field("Container", "ContainerName", ANY, Main),
    field("Container", "Exec", ANY, Main),
    START,
    RESTART,
    field("Container", "AutoUpdate", Choice(&["registry", "local", "notify"]), Running),
    field("Container", "PublishPort", Lines(Parts::Port), Ports),
    field("Container", "Volume", Lines(Parts::Mount), Volumes),
    field("Container", "Environment", Words(Parts::Pair), Environment),
    field("Container", "Network", Lines(Parts::Whole), Networks),
    field("Container", "Memory", Text(Expects::Size), Limits),
    field("Container", "PodmanArgs", Option("--cpus", Expects::Number), Limits),
    field("Container", "User", ANY, More),
    field("Container", "Pod", ANY, More),
    field("Container", "HealthCmd", ANY, More),
    field("Container", "ReadOnly", Switch(false), More),
];

const POD: &[Field] = &[
    DESCRIPTION,
    field("Pod", "PodName", ANY, Main),
    START,
    field("Pod", "ExitPolicy", Choice(&["stop", "continue"]), Running),
    field("Pod", "PublishPort", Lines(Parts::Port), Ports),
    field("Pod", "Volume", Lines(Parts::Mount), Volumes),
    field("Pod", "Network", Lines(Parts::Whole), Networks),
];

const VOLUME: &[Field] = &[
    DESCRIPTION,
    field("Volume", "VolumeName", ANY, Main),
    field("Volume", "Image", ANY, More),
    field("Volume", "Driver", ANY, More),
    field("Volume", "Type", ANY, More),
    field("Volume", "Device", ANY, More),
    field("Volume", "Options", ANY, More),
    field("Volume", "Copy", Switch(true), More),
];

const NETWORK: &[Field] = &[
    DESCRIPTION,
    field("Network", "NetworkName", ANY, Main),
    field("Network", "Driver", Choice(&["bridge", "macvlan", "ipvlan"]), Main),
    field("Network", "Internal", Switch(false), Main),
    field("Network", "IPv6", Switch(false), Main),
    field("Network", "DisableDNS", Switch(false), Main),
    field("Network", "Subnet", Lines(Parts::Whole), Networks),
    field("Network", "Gateway", Lines(Parts::Whole), Networks),
    field("Network", "DNS", Lines(Parts::Whole), Networks),
];

const IMAGE: &[Field] = &[
    DESCRIPTION,
    field("Image", "Image", ANY, Main),
    field("Image", "ImageTag", ANY, Main),
    field("Image", "Policy", Choice(PULL), Main),
    field("Image", "AllTags", Switch(false), More),
    field("Image", "Arch", ANY, More),
    field("Image", "OS", ANY, More),
    field("Image", "AuthFile", ANY, More),
    field("Image", "TLSVerify", Switch(true), More),
];

const BUILD: &[Field] = &[
    DESCRIPTION,
    field("Build", "ImageTag", Lines(Parts::Whole), Main),
    field("Build", "SetWorkingDirectory", ANY, Main),
    field("Build", "File", ANY, Main),
    field("Build", "Target", ANY, Main),
    field("Build", "Pull", Choice(PULL), Main),
    field("Build", "Environment", Words(Parts::Pair), Environment),
    field("Build", "Network", Lines(Parts::Whole), Networks),
];

const KUBE: &[Field] = &[
    DESCRIPTION,
    field("Kube", "Yaml", ANY, Main),
    START,
    field("Kube", "AutoUpdate", Choice(&["registry", "local", "notify"]), Running),
    field("Kube", "ExitCodePropagation", Choice(&["all", "any", "none"]), Running),
    field("Kube", "PublishPort", Lines(Parts::Port), Ports),
    field("Kube", "Network", Lines(Parts::Whole), Networks),
    field("Kube", "ConfigMap", Lines(Parts::Whole), More),
    field("Kube", "KubeDownForce", Switch(false), More),
];

const ARTIFACT: &[Field] = &[
    DESCRIPTION,
    field("Artifact", "Artifact", ANY, Main),
    field("Artifact", "AuthFile", ANY, More),
    field("Artifact", "TLSVerify", Switch(true), More),
];

/// The fields of units of `kind`.
pub const fn fields(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Artifact => ARTIFACT,
        Kind::Image => IMAGE,
        Kind::Volume => VOLUME,
        Kind::Network => NETWORK,
        Kind::Build => BUILD,
        Kind::Container => CONTAINER,
        Kind::Kube => KUBE,
        Kind::Pod => POD,
    }
}
