// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every key of every kind, and which option of `haulout` it becomes.

use crate::kind::Kind;

/// A key of a kind's section.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it becomes.
    pub(crate) becomes: Becomes,
}

/// What a key becomes on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Becomes {
    /// Something that takes more than a line to say.
    Other,
    /// The option with the last value, without quotes around the whole of it.
    Value(&'static str),
    /// The option with each value, without quotes around the whole of it.
    Each(&'static str),
    /// The option with each word.
    Words(&'static str),
    /// The option with each `key=value` word, the last of a key.
    Pairs(&'static str),
    /// The option, `=false` after it where the value says so.
    Switch(&'static str),
    /// `--security-opt` with this and the value.
    Security(&'static str),
    /// `--security-opt` with this and each word.
    SecurityWords(&'static str),
}

use Becomes::{Each, Other, Pairs, Security, SecurityWords, Switch, Value, Words};

macro_rules! keys {
    ($($name:literal $becomes:expr,)*) => { &[$(Key { name: $name, becomes: $becomes },)*] };
}

const CONTAINER: &[Key] = keys! {
    "AddCapability" Other,
    "AddDevice" Other,
    "AddHost" Each("--add-host"),
    "Annotation" Pairs("--annotation"),
    "AppArmor" Security("apparmor="),
    "AutoUpdate" Other,
    "CgroupsMode" Other,
    "ContainerName" Other,
    "ContainersConfModule" Other,
    "DNS" Each("--dns"),
    "DNSOption" Each("--dns-option"),
    "DNSSearch" Each("--dns-search"),
    "DropCapability" Other,
    "Entrypoint" Value("--entrypoint"),
    "Environment" Pairs("--env"),
    "EnvironmentFile" Other,
    "EnvironmentHost" Switch("--env-host"),
    "Exec" Other,
    "ExposeHostPort" Other,
    "GIDMap" Other,
    "GlobalArgs" Other,
    "Group" Other,
    "GroupAdd" Each("--group-add"),
    "HealthCmd" Value("--health-cmd"),
    "HealthInterval" Value("--health-interval"),
    "HealthLogDestination" Value("--health-log-destination"),
    "HealthMaxLogCount" Value("--health-max-log-count"),
    "HealthMaxLogSize" Value("--health-max-log-size"),
    "HealthOnFailure" Value("--health-on-failure"),
    "HealthRetries" Value("--health-retries"),
    "HealthStartPeriod" Value("--health-start-period"),
    "HealthStartupCmd" Value("--health-startup-cmd"),
    "HealthStartupInterval" Value("--health-startup-interval"),
    "HealthStartupRetries" Value("--health-startup-retries"),
    "HealthStartupSuccess" Value("--health-startup-success"),
    "HealthStartupTimeout" Value("--health-startup-timeout"),
    "HealthTimeout" Value("--health-timeout"),
    "HostName" Value("--hostname"),
    "HttpProxy" Switch("--http-proxy"),
    "IP" Value("--ip"),
    "IP6" Value("--ip6"),
    "Image" Other,
    "ImageVolume" Value("--image-volume"),
    "Label" Pairs("--label"),
    "LogDriver" Value("--log-driver"),
    "LogOpt" Words("--log-opt"),
    "Mask" SecurityWords("mask="),
    "Memory" Value("--memory"),
    "Mount" Other,
    "Network" Other,
    "NetworkAlias" Each("--network-alias"),
    "NoNewPrivileges" Other,
    "Notify" Other,
    "PidsLimit" Value("--pids-limit"),
    "Pod" Other,
    "PodmanArgs" Other,
    "PublishPort" Each("--publish"),
    "Pull" Value("--pull"),
    "ReadOnly" Switch("--read-only"),
    "ReadOnlyTmpfs" Switch("--read-only-tmpfs"),
    "ReloadCmd" Other,
    "ReloadSignal" Other,
    "RemapGid" Other,
    "RemapUid" Other,
    "RemapUidSize" Other,
    "RemapUsers" Other,
    "Retry" Value("--retry"),
    "RetryDelay" Value("--retry-delay"),
    "Rootfs" Other,
    "RunInit" Switch("--init"),
    "SeccompProfile" Security("seccomp="),
    "Secret" Words("--secret"),
    "SecurityLabelDisable" Other,
    "SecurityLabelFileType" Security("label=filetype:"),
    "SecurityLabelLevel" Security("label=level:"),
    "SecurityLabelNested" Other,
    "SecurityLabelType" Security("label=type:"),
    "ServiceName" Other,
    "ShmSize" Value("--shm-size"),
    "StartWithPod" Other,
    "StopSignal" Value("--stop-signal"),
    "StopTimeout" Value("--stop-timeout"),
    "SubGIDMap" Other,
    "SubUIDMap" Other,
    "Sysctl" Words("--sysctl"),
    "Timezone" Value("--tz"),
    "Tmpfs" Each("--tmpfs"),
    "UIDMap" Other,
    "Ulimit" Each("--ulimit"),
    "Umask" Value("--umask"),
    "Unmask" SecurityWords("unmask="),
    "User" Other,
    "UserNS" Other,
    "VolatileTmp" Other,
    "Volume" Other,
    "WorkingDir" Value("--workdir"),
};

const VOLUME: &[Key] = keys! {
    "ContainersConfModule" Other,
    "Copy" Other,
    "Device" Other,
    "Driver" Value("--driver"),
    "GID" Value("--gid"),
    "GlobalArgs" Other,
    "Group" Other,
    "Image" Other,
    "Label" Pairs("--label"),
    "Options" Other,
    "PodmanArgs" Other,
    "ServiceName" Other,
    "Type" Other,
    "UID" Value("--uid"),
    "User" Other,
    "VolumeName" Other,
};

const NETWORK: &[Key] = keys! {
    "ContainersConfModule" Other,
    "DNS" Each("--dns"),
    "DisableDNS" Switch("--disable-dns"),
    "Driver" Value("--driver"),
    "Gateway" Other,
    "GlobalArgs" Other,
    "IPAMDriver" Value("--ipam-driver"),
    "IPRange" Other,
    "IPv6" Switch("--ipv6"),
    "InterfaceName" Value("--interface-name"),
    "Internal" Switch("--internal"),
    "Label" Pairs("--label"),
    "NetworkDeleteOnStop" Other,
    "NetworkName" Other,
    "Options" Pairs("--opt"),
    "PodmanArgs" Other,
    "ServiceName" Other,
    "Subnet" Other,
};

const KUBE: &[Key] = keys! {
    "AutoUpdate" Other,
    "ConfigMap" Other,
    "ContainersConfModule" Other,
    "ExitCodePropagation" Value("--service-exit-code-propagation"),
    "GlobalArgs" Other,
    "KubeDownForce" Other,
    "LogDriver" Value("--log-driver"),
    "LogOpt" Words("--log-opt"),
    "Network" Other,
    "PodmanArgs" Other,
    "PublishPort" Each("--publish"),
    "RemapGid" Other,
    "RemapUid" Other,
    "RemapUidSize" Other,
    "RemapUsers" Other,
    "ServiceName" Other,
    "SetWorkingDirectory" Other,
    "UserNS" Other,
    "Yaml" Other,
};

const IMAGE: &[Key] = keys! {
    "AllTags" Switch("--all-tags"),
    "Arch" Value("--arch"),
    "AuthFile" Value("--authfile"),
    "CertDir" Value("--cert-dir"),
    "ContainersConfModule" Other,
    "Creds" Value("--creds"),
    "DecryptionKey" Value("--decryption-key"),
    "GlobalArgs" Other,
    "Image" Other,
    "ImageTag" Other,
    "OS" Value("--os"),
    "PodmanArgs" Other,
    "Policy" Value("--policy"),
    "Retry" Value("--retry"),
    "RetryDelay" Value("--retry-delay"),
    "ServiceName" Other,
    "TLSVerify" Switch("--tls-verify"),
    "Variant" Value("--variant"),
};

const BUILD: &[Key] = keys! {
    "Annotation" Pairs("--annotation"),
    "Arch" Value("--arch"),
    "AuthFile" Value("--authfile"),
    "BuildArg" Pairs("--build-arg"),
    "ContainersConfModule" Other,
    "DNS" Each("--dns"),
    "DNSOption" Each("--dns-option"),
    "DNSSearch" Each("--dns-search"),
    "Environment" Pairs("--env"),
    "File" Other,
    "ForceRM" Switch("--force-rm"),
    "GlobalArgs" Other,
    "GroupAdd" Each("--group-add"),
    "IgnoreFile" Value("--ignorefile"),
    "ImageTag" Each("--tag"),
    "Label" Pairs("--label"),
    "Network" Other,
    "PodmanArgs" Other,
    "Pull" Other,
    "Retry" Value("--retry"),
    "RetryDelay" Value("--retry-delay"),
    "Secret" Words("--secret"),
    "ServiceName" Other,
    "SetWorkingDirectory" Other,
    "TLSVerify" Switch("--tls-verify"),
    "Target" Value("--target"),
    "Variant" Value("--variant"),
    "Volume" Other,
};

const ARTIFACT: &[Key] = keys! {
    "Artifact" Other,
    "AuthFile" Value("--authfile"),
    "CertDir" Value("--cert-dir"),
    "ContainersConfModule" Other,
    "Creds" Value("--creds"),
    "DecryptionKey" Value("--decryption-key"),
    "GlobalArgs" Other,
    "PodmanArgs" Other,
    "Quiet" Switch("--quiet"),
    "Retry" Value("--retry"),
    "RetryDelay" Value("--retry-delay"),
    "ServiceName" Other,
    "TLSVerify" Switch("--tls-verify"),
};

const POD: &[Key] = keys! {
    "AddHost" Each("--add-host"),
    "ContainersConfModule" Other,
    "DNS" Each("--dns"),
    "DNSOption" Each("--dns-option"),
    "DNSSearch" Each("--dns-search"),
    "ExitPolicy" Other,
    "GIDMap" Other,
    "GlobalArgs" Other,
    "HostName" Value("--hostname"),
    "IP" Value("--ip"),
    "IP6" Value("--ip6"),
    "Label" Pairs("--label"),
    "Network" Other,
    "NetworkAlias" Each("--network-alias"),
    "PodName" Other,
    "PodmanArgs" Other,
    "PublishPort" Each("--publish"),
    "RemapGid" Other,
    "RemapUid" Other,
    "RemapUidSize" Other,
    "RemapUsers" Other,
    "ServiceName" Other,
    "ShmSize" Value("--shm-size"),
    "StopTimeout" Other,
    "SubGIDMap" Other,
    "SubUIDMap" Other,
    "UIDMap" Other,
    "UserNS" Other,
    "Volume" Other,
};

/// The section that all kinds have.
pub const QUADLET: &str = "Quadlet";
const OF_QUADLET: &[Key] = keys! { "DefaultDependencies" Other, };

impl Kind {
    /// The keys of its section, in the order of the alphabet.
    pub const fn keys(self) -> &'static [Key] {
        match self {
            Self::Artifact => ARTIFACT,
            Self::Image => IMAGE,
            Self::Volume => VOLUME,
            Self::Network => NETWORK,
            Self::Build => BUILD,
            Self::Container => CONTAINER,
            Self::Kube => KUBE,
            Self::Pod => POD,
        }
    }

    /// The keys of a section of a unit of this kind; nothing for sections whose keys are systemd's or anyone's.
    pub fn keys_of(self, section: &str) -> Option<&'static [Key]> {
        match section {
            QUADLET => Some(OF_QUADLET),
            _ if section == self.section() => Some(self.keys()),
            _ => None,
        }
    }
}

/// The key of that name.
pub(crate) fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.binary_search_by(|key| key.name.cmp(name)).ok().map(|index| &keys[index])
}

/// Which section of a service a key of systemd's belongs to, of those that people write into a unit's own one.
pub(crate) fn section_of(key: &str) -> Option<&'static str> {
    match key {
        "After"
        | "Before"
        | "BindsTo"
        | "Conflicts"
        | "Description"
        | "Documentation"
        | "OnFailure"
        | "OnSuccess"
        | "PartOf"
        | "Requires"
        | "RequiresMountsFor"
        | "StartLimitBurst"
        | "StartLimitIntervalSec"
        | "Upholds"
        | "Wants" => Some("Unit"),
        "CPUQuota" | "Delegate" | "ExecReload" | "ExecStart" | "ExecStartPost" | "ExecStartPre" | "ExecStop"
        | "ExecStopPost" | "KillMode" | "MemoryMax" | "RemainAfterExit" | "Restart" | "RestartSec" | "Slice"
        | "SuccessExitStatus" | "TimeoutSec" | "TimeoutStartSec" | "TimeoutStopSec" | "Type" => Some("Service"),
        "Alias" | "Also" | "DefaultInstance" | "RequiredBy" | "WantedBy" => Some("Install"),
        _ if key.starts_with("Condition") || key.starts_with("Assert") => Some("Unit"),
        _ => None,
    }
}

/// The key that was likely meant by one that is none: the nearest, when it is near.
pub(crate) fn near(keys: &'static [Key], wrong: &str) -> Option<&'static str> {
    let lower = wrong.to_lowercase();
    let distance = |key: &Key| distance(&key.name.to_lowercase(), &lower);
    let (far, name) = keys.iter().map(|key| (distance(key), key.name)).min()?;
    if far <= (wrong.len() / 3).max(1) {
        return Some(name);
    }
    // `Ports`, `Publish`: a part of the name, of the shortest one.
    let part = lower.trim_end_matches('s');
    let holding = keys.iter().map(|key| key.name).filter(|name| part.len() >= 4 && name.to_lowercase().contains(part));
    holding.min_by_key(|name| name.len())
}

/// How many characters have to be put in, taken out or changed to get from one to the other (Levenshtein).
pub(crate) fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, char) in from.chars().enumerate() {
        let mut corner = index;
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let changed = corner + usize::from(char != *other);
            corner = row[column + 1];
            row[column + 1] = changed.min(corner + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_is_told_which_one_was_meant() {
        let meant = |wrong| near(CONTAINER, wrong);
        assert_eq!(meant("PublishPorts"), Some("PublishPort"));
        assert_eq!(meant("Ports"), Some("PublishPort"));
        assert_eq!(meant("image"), Some("Image"));
        assert_eq!(meant("Enviroment"), Some("Environment"));
        assert_eq!(meant("Xyzzy"), None);
    }

    #[test]
    fn the_keys_are_in_order_and_each_once() {
        for kind in Kind::ALL {
            let names: Vec<_> = kind.keys().iter().map(|key| key.name).collect();
            assert!(names.is_sorted(), "{kind:?}");
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{kind:?}");
        }
    }
}
