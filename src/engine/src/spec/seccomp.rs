// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The filter of system calls: our own profile (`data/seccomp.json`), or one that the user names.

use std::path::{Path, PathBuf};
use std::{fs, io};

use oci_spec::runtime::{
    Arch, Capabilities, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompFilterFlag, LinuxSyscall,
};
use serde::Deserialize;

use super::capabilities;

/// The one call of which rules look at the arguments.
const SOCKET: &str = "socket";

const PROFILE: &str = include_str!("../../../../data/seccomp.json");

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// The file cannot be read.
    #[error("opening seccomp profile failed: {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no profile.
    #[error("loading seccomp profile ({}) failed: decoding seccomp profile failed", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
}

/// Our profile.
#[derive(Deserialize)]
struct Own {
    errno: u32,
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    names: Vec<String>,
    capability: Option<Capability>,
    errno: Option<u32>,
    args: Option<Vec<LinuxSeccompArg>>,
}

/// Our filter for a container that has `capabilities`, of an image for the architecture `image` (Go's name for it).
///
/// A 32-bit x86 program makes sockets through `socketcall`, whose arguments no filter can see: with it, `AF_ALG` could not be refused.
/// So only an image that is itself of that architecture may make 32-bit calls, and it may make any socket.
pub fn own(capabilities: &Capabilities, image: &str) -> Result<LinuxSeccomp, SeccompError> {
    let own: Own = serde_json::from_str(PROFILE)
        .map_err(|source| SeccompError::Malformed { path: "data/seccomp.json".into(), source })?;
    let is_x86 = image == "386";
    let groups = own.groups.into_iter().filter(|group| !is_x86 || group.names != [SOCKET]);
    let mut rules: Vec<LinuxSyscall> = groups
        .map(|group| {
            let allowed = match (group.capability, group.errno) {
                (Some(capability), _) => capabilities.contains(&capability),
                (None, errno) => errno.is_none(),
            };
            let errno = group.errno.filter(|_| !allowed);
            let action = if allowed { LinuxSeccompAction::ScmpActAllow } else { LinuxSeccompAction::ScmpActErrno };
            rule(group.names, action, errno, group.args)
        })
        .collect();
    if is_x86 {
        let names = vec![SOCKET.to_owned(), "socketcall".to_owned()];
        rules.push(rule(names, LinuxSeccompAction::ScmpActAllow, None, None));
    }
    Ok(filter(LinuxSeccompAction::ScmpActErrno, Some(own.errno), Some(architectures(is_x86)), rules))
}

/// This machine's; the 32-bit one that its kernel runs as well where that lets nothing through.
fn architectures(with_x86: bool) -> Vec<Arch> {
    match std::env::consts::ARCH {
        "x86_64" if with_x86 => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86],
        "x86_64" => vec![Arch::ScmpArchX86_64],
        "aarch64" => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        _ => vec![Arch::ScmpArchNative],
    }
}

/// A profile in a file, as Docker and Podman have them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Foreign {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Vec<Arch>,
    #[serde(default)]
    arch_map: Vec<ArchMap>,
    flags: Option<Vec<LinuxSeccompFilterFlag>>,
    #[serde(default)]
    syscalls: Vec<ForeignRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: Arch,
    #[serde(default)]
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForeignRule {
    name: Option<String>,
    #[serde(default)]
    names: Vec<String>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    args: Option<Vec<ForeignArg>>,
    #[serde(default)]
    includes: Option<Condition>,
    #[serde(default)]
    excludes: Option<Condition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForeignArg {
    index: usize,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: oci_spec::runtime::LinuxSeccompOperator,
}

/// When a rule counts.
#[derive(Default, Deserialize)]
struct Condition {
    #[serde(default)]
    caps: Option<Vec<String>>,
    #[serde(default)]
    arches: Option<Vec<String>>,
}

impl Condition {
    fn caps(&self) -> &[String] {
        self.caps.as_deref().unwrap_or_default()
    }

    fn arches(&self) -> &[String] {
        self.arches.as_deref().unwrap_or_default()
    }
}

/// The filter in the file `path` for a container that has `capabilities`.
pub fn from_file(path: &Path, capabilities: &Capabilities) -> Result<LinuxSeccomp, SeccompError> {
    let text = fs::read_to_string(path).map_err(|source| SeccompError::Read { path: path.into(), source })?;
    from_text(path, &text, capabilities)
}

/// The filter that the text of a profile describes; `path` is where it is from.
pub fn from_text(path: &Path, text: &str, capabilities: &Capabilities) -> Result<LinuxSeccomp, SeccompError> {
    let foreign: Foreign =
        serde_json::from_str(text).map_err(|source| SeccompError::Malformed { path: path.into(), source })?;
    let has = |word: &String| capabilities::parse(word).is_ok_and(|capability| capabilities.contains(&capability));
    let arch = crate::info::image_architecture();
    let counts = |rule: &ForeignRule| {
        let (none, none_too) = (Condition::default(), Condition::default());
        let includes = rule.includes.as_ref().unwrap_or(&none);
        let excludes = rule.excludes.as_ref().unwrap_or(&none_too);
        includes.caps().iter().all(has)
            && (includes.arches().is_empty() || includes.arches().iter().any(|word| word == arch))
            && !excludes.caps().iter().any(has)
            && !excludes.arches().iter().any(|word| word == arch)
    };
    let rules = foreign.syscalls.into_iter().filter(counts).map(|rule_of_file| {
        let ForeignRule { name, mut names, action, errno_ret, args, .. } = rule_of_file;
        names.extend(name);
        let args =
            args.filter(|args| !args.is_empty()).map(|args| args.into_iter().map(LinuxSeccompArg::from).collect());
        rule(names, action, errno_ret, args)
    });
    let rules = rules.collect();
    let native = architectures(true);
    let mapped = foreign.arch_map.into_iter().find(|map| native.first() == Some(&map.architecture)).map(|map| {
        let mut all = vec![map.architecture];
        all.extend(map.sub_architectures.unwrap_or_default());
        all
    });
    let architectures = mapped.or_else(|| Some(foreign.architectures).filter(|named| !named.is_empty()));
    let mut filter = filter(foreign.default_action, foreign.default_errno_ret, architectures, rules);
    filter.set_flags(foreign.flags);
    Ok(filter)
}

impl From<ForeignArg> for LinuxSeccompArg {
    fn from(written: ForeignArg) -> Self {
        let builder = LinuxSeccompArgBuilder::default().index(written.index).value(written.value).op(written.op);
        let builder = if written.value_two == 0 { builder } else { builder.value_two(written.value_two) };
        // Nothing is left out that could be missing.
        builder.build().unwrap_or_default()
    }
}

fn rule(
    names: Vec<String>,
    action: LinuxSeccompAction,
    errno: Option<u32>,
    args: Option<Vec<LinuxSeccompArg>>,
) -> LinuxSyscall {
    let mut rule = LinuxSyscall::default();
    rule.set_names(names).set_action(action).set_errno_ret(errno).set_args(args);
    rule
}

fn filter(
    action: LinuxSeccompAction,
    errno: Option<u32>,
    architectures: Option<Vec<Arch>>,
    rules: Vec<LinuxSyscall>,
) -> LinuxSeccomp {
    let mut filter = LinuxSeccomp::default();
    filter
        .set_default_action(action)
        .set_default_errno_ret(errno)
        .set_architectures(architectures)
        .set_syscalls(Some(rules));
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer<'a>(filter: &'a LinuxSeccomp, name: &str) -> Vec<(&'a LinuxSyscall, LinuxSeccompAction, Option<u32>)> {
        let rules = filter.syscalls().as_deref().unwrap_or_default();
        let named = rules.iter().filter(|rule| rule.names().iter().any(|known| known == name));
        named.map(|rule| (rule, rule.action(), rule.errno_ret())).collect()
    }

    fn is_allowed(filter: &LinuxSeccomp, name: &str) -> bool {
        answer(filter, name).iter().any(|(_, action, _)| *action == LinuxSeccompAction::ScmpActAllow)
    }

    #[test]
    fn io_uring_is_not_there_and_ordinary_calls_are() {
        let filter = own(&Capabilities::new(), "amd64").unwrap();
        assert_eq!((filter.default_action(), filter.default_errno_ret()), (LinuxSeccompAction::ScmpActErrno, Some(38)));
        for name in ["io_uring_setup", "io_uring_enter", "io_uring_register"] {
            assert!(answer(&filter, name).is_empty(), "{name}");
            assert!(answer(&own(&capabilities::all(), "amd64").unwrap(), name).is_empty(), "{name}");
        }
        for name in
            ["read", "openat", "clone3", "execve", "futex", "socket", "unshare", "mount", "landlock_create_ruleset"]
        {
            assert!(is_allowed(&filter, name), "{name}");
        }
    }

    #[test]
    fn an_alg_socket_is_refused_whatever_the_container_may() {
        for capabilities in [Capabilities::new(), capabilities::all()] {
            let filter = own(&capabilities, "amd64").unwrap();
            for (rule, action, errno) in answer(&filter, "socket") {
                let family = rule.args().as_ref().unwrap().iter().find(|arg| arg.index() == 0).unwrap();
                assert_eq!(family.op(), oci_spec::runtime::LinuxSeccompOperator::ScmpCmpEq);
                if family.value() == 38 {
                    assert_eq!((action, errno), (LinuxSeccompAction::ScmpActErrno, Some(97)));
                }
            }
            assert_eq!(
                answer(&filter, "socket")
                    .iter()
                    .filter(|(rule, ..)| rule.args().as_ref().unwrap()[0].value() == 38)
                    .count(),
                1
            );
        }
    }

    #[test]
    fn thirty_two_bit_calls_are_for_images_of_that_kind_alone() {
        let amd64 = own(&Capabilities::new(), "amd64").unwrap();
        assert!(!amd64.architectures().as_ref().unwrap().contains(&Arch::ScmpArchX86));
        assert!(answer(&amd64, "socketcall").is_empty());
        let x86 = own(&Capabilities::new(), "386").unwrap();
        assert!(is_allowed(&x86, "socketcall") && answer(&x86, "socket").len() == 1);
    }

    #[test]
    fn a_capability_opens_its_calls_and_only_those() {
        let none = own(&Capabilities::new(), "amd64").unwrap();
        let time = own(&[Capability::SysTime].into_iter().collect(), "amd64").unwrap();
        assert_eq!(answer(&none, "settimeofday")[0].2, Some(1));
        assert!(is_allowed(&time, "settimeofday") && !is_allowed(&time, "init_module"));
    }

    #[test]
    fn a_profile_of_podmans_kind_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        let text = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"archMap":[{"architecture":"SCMP_ARCH_X86_64",
            "subArchitectures":["SCMP_ARCH_X86"]}],"syscalls":[
            {"names":["read"],"action":"SCMP_ACT_ALLOW","args":[],"includes":{},"excludes":{}},
            {"name":"write","action":"SCMP_ACT_ALLOW","args":null},
            {"names":["bpf"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_BPF"]}},
            {"names":["bpf"],"action":"SCMP_ACT_ERRNO","errnoRet":1,"excludes":{"caps":["CAP_BPF"]}},
            {"names":["s390_runtime_instr"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["s390x"]}},
            {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":8,"valueTwo":0,"op":"SCMP_CMP_EQ"}]}]}"#;
        fs::write(&path, text).unwrap();
        let filter = from_file(&path, &Capabilities::new()).unwrap();
        assert!(is_allowed(&filter, "read") && is_allowed(&filter, "write") && !is_allowed(&filter, "bpf"));
        assert_eq!(answer(&filter, "bpf").len(), 1);
        assert!(answer(&filter, "s390_runtime_instr").is_empty());
        assert!(is_allowed(&from_file(&path, &[Capability::Bpf].into_iter().collect()).unwrap(), "bpf"));
        assert!(matches!(from_file(Path::new("/nowhere"), &Capabilities::new()), Err(SeccompError::Read { .. })));
        fs::write(&path, "{").unwrap();
        assert!(matches!(from_file(&path, &Capabilities::new()), Err(SeccompError::Malformed { .. })));
    }
}
