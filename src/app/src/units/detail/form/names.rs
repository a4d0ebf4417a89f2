// SPDX-License-Identifier: GPL-3.0-or-later
//! What fields, their values and their groups are called.

use gettextrs::gettext;
use haulout_quadlet::form::{Field, Group, Parts, Shape};

/// What a field is called; of a list, all of it.
pub fn field(field: &Field) -> String {
    match (field.section, field.key) {
        (_, "Description") => gettext("Description"),
        (_, "Image") => gettext("Image"),
        (_, "ContainerName") => gettext("Name of the Container"),
        (_, "Exec") => gettext("Command"),
        (_, "WantedBy") => gettext("Start at Login"),
        (_, "Restart") => gettext("Restart"),
        (_, "AutoUpdate") => gettext("Automatic Updates"),
        (_, "PublishPort") => gettext("Ports"),
        ("Container" | "Pod", "Volume") => gettext("Volumes"),
        (_, "Environment") => gettext("Environment"),
        (_, "Network") => gettext("Networks"),
        (_, "Memory") => gettext("Memory at Most"),
        (_, "PodmanArgs") => gettext("Processors at Most"),
        (_, "User") => gettext("User"),
        (_, "Pod") => gettext("Pod"),
        (_, "HealthCmd") => gettext("Health Check Command"),
        (_, "ReadOnly") => gettext("Read-Only Files"),
        (_, "PodName") => gettext("Name of the Pod"),
        (_, "ExitPolicy") => gettext("When the Last Container Ends"),
        (_, "VolumeName") => gettext("Name of the Volume"),
        (_, "Driver") => gettext("Driver"),
        (_, "Type") => gettext("File System"),
        (_, "Device") => gettext("Device or Folder"),
        (_, "Options") => gettext("Mount Options"),
        (_, "Copy") => gettext("Begin with the Image’s Files"),
        (_, "NetworkName") => gettext("Name of the Network"),
        (_, "Internal") => gettext("Internal, without the Internet"),
        (_, "IPv6") => gettext("IPv6"),
        (_, "DisableDNS") => gettext("No Names for Containers"),
        (_, "Subnet") => gettext("Subnets"),
        (_, "Gateway") => gettext("Gateways"),
        (_, "DNS") => gettext("Name Servers"),
        ("Build", "ImageTag") => gettext("Names of the Image"),
        (_, "ImageTag") => gettext("Name on This Computer"),
        (_, "Policy" | "Pull") => gettext("Pull the Image"),
        (_, "AllTags") => gettext("All Tags"),
        (_, "Arch") => gettext("Architecture"),
        (_, "OS") => gettext("Operating System"),
        (_, "AuthFile") => gettext("File with Credentials"),
        (_, "TLSVerify") => gettext("Check Certificates"),
        (_, "SetWorkingDirectory") => gettext("Folder to Build In"),
        (_, "File") => gettext("Containerfile"),
        (_, "Target") => gettext("Stage"),
        (_, "Yaml") => gettext("Kubernetes File"),
        (_, "ConfigMap") => gettext("Config Maps"),
        (_, "ExitCodePropagation") => gettext("Fails with Its Containers"),
        (_, "KubeDownForce") => gettext("Remove Volumes when It Stops"),
        (_, "Artifact") => gettext("Artifact"),
        (_, key) => key.to_owned(),
    }
}

/// What one value of a list is called.
pub fn one(field: &Field) -> String {
    match field.key {
        "PublishPort" => gettext("Port"),
        "Volume" => gettext("Volume"),
        "Environment" => gettext("Variable"),
        "Network" => gettext("Network"),
        "Subnet" => gettext("Subnet"),
        "Gateway" => gettext("Gateway"),
        "DNS" => gettext("Address"),
        "ImageTag" => gettext("Name"),
        _ => gettext("File"),
    }
}

/// What the button is called that adds one.
pub fn add(field: &Field) -> String {
    match field.shape {
        Shape::Lines(Parts::Port) => gettext("Add _Port"),
        Shape::Lines(Parts::Mount) => gettext("Add _Volume"),
        Shape::Words(Parts::Pair) => gettext("Add V_ariable"),
        _ => match field.key {
            "Network" => gettext("Add _Network"),
            "Subnet" => gettext("Add _Subnet"),
            "Gateway" => gettext("Add _Gateway"),
            "DNS" => gettext("Add _Address"),
            "ImageTag" => gettext("Add _Name"),
            _ => gettext("Add _File"),
        },
    }
}

/// What the button is called that takes one away.
pub fn remove(field: &Field) -> String {
    match field.shape {
        Shape::Lines(Parts::Port) => gettext("Remove Port"),
        Shape::Lines(Parts::Mount) => gettext("Remove Volume"),
        Shape::Words(Parts::Pair) => gettext("Remove Variable"),
        _ => gettext("Remove"),
    }
}

/// What a value that can be chosen is called.
pub fn choice(key: &str, value: &str) -> String {
    match (key, value) {
        ("Restart", "on-failure") => gettext("After a Failure"),
        ("AutoUpdate", "registry") => gettext("From the Registry"),
        ("AutoUpdate", "local") => gettext("From This Computer"),
        ("AutoUpdate", "notify") => gettext("Only Tell Me"),
        ("Policy" | "Pull", "missing") => gettext("When It Is Missing"),
        ("Policy" | "Pull", "newer") => gettext("When There Is a Newer One"),
        ("Restart" | "Policy" | "Pull", "always") => gettext("Always"),
        ("Restart", "no") | ("Policy" | "Pull", "never") | ("ExitCodePropagation", "none") => gettext("Never"),
        ("ExitPolicy", "stop") => gettext("Stop"),
        ("ExitPolicy", "continue") => gettext("Go On"),
        ("ExitCodePropagation", "all") => gettext("When All Fail"),
        ("ExitCodePropagation", "any") => gettext("When Any Fails"),
        _ => value.to_owned(),
    }
}

/// The title of a group; the first needs none.
pub fn group(group: Group) -> String {
    match group {
        Group::Main => String::new(),
        Group::Running => gettext("Service"),
        Group::Ports => gettext("Ports"),
        Group::Volumes => gettext("Volumes"),
        Group::Environment => gettext("Environment"),
        Group::Networks => gettext("Networks"),
        Group::Limits => gettext("Limits"),
        Group::More => gettext("More"),
    }
}

#[cfg(test)]
mod tests {
    use haulout_quadlet::form::{Shape, fields};

    use crate::connection::UnitKind;

    #[test]
    fn every_field_and_choice_is_called_something_that_people_say() {
        for kind in UnitKind::ALL {
            for field in fields(kind) {
                let same =
                    ["IPv6", "Description", "Image", "Environment", "Driver", "User", "Pod", "Artifact", "Restart"];
                assert!(super::field(field) != field.key || same.contains(&field.key), "{field:?}");
                if let Shape::Choice(choices) = field.shape
                    && field.key != "Driver"
                {
                    assert!(choices.iter().all(|choice| super::choice(field.key, choice) != *choice), "{field:?}");
                }
            }
        }
    }
}
