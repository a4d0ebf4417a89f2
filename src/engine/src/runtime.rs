// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The programs that run containers: the OCI runtime (crun unless containers.conf says otherwise), pasta, `--init`'s, our monitor
//! and our command line.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::config::containers::Settings;
use crate::paths::Paths;

/// The OCI runtime when nothing is said.
const USUAL: &str = "crun";

/// Where programs are that `PATH` may not name: of a service, it is short.
const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Where distributions put `--init`'s program.
const INITS: [&str; 3] = ["/usr/libexec/podman/catatonit", "/usr/lib/podman/catatonit", "/usr/bin/catatonit"];

/// Where the monitor is when it is installed.
const OUR_FOLDERS: [&str; 4] =
    ["/usr/libexec/haulout", "/usr/lib/haulout", "/usr/local/libexec/haulout", "/app/libexec/haulout"];

/// A program that is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// Not on `PATH` nor where it usually is.
    #[error("{program} is missing: {purpose} (package {package})")]
    Missing {
        /// The program.
        program: String,
        /// What it is for.
        purpose: &'static str,
        /// What to install.
        package: &'static str,
    },
    /// containers.conf or `--init-path` names one for `--init` that is not there; Podman's words.
    #[error("container-init binary not found on the host: faccessat {}: no such file or directory", .0.display())]
    NoInit(PathBuf),
    /// containers.conf or `--network-cmd-path` names a slirp4netns that is not there.
    #[error("checking slirp4netns binary {}: no such file or directory", .0.display())]
    NoSlirp(PathBuf),
    /// An OCI runtime that nobody knows; Podman's words.
    #[error("default OCI runtime {0:?} not found: invalid argument")]
    UnknownRuntime(String),
    /// An OCI runtime whose path leads to no program; Podman's words.
    #[error("no valid executable found for OCI runtime {}: invalid argument", .0.display())]
    NoRuntime(PathBuf),
}

/// An OCI runtime: its name, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// `crun`.
    pub name: String,
    /// `/usr/bin/crun`.
    pub program: PathBuf,
    /// What it is given before its command (`--runtime-flag`), without the dashes.
    pub flags: Vec<String>,
}

impl Runtime {
    /// The one that containers.conf names, or crun.
    pub fn find(settings: &Settings) -> Result<Self, RuntimeError> {
        Self::named(None, settings)
    }

    /// The one that a container was made with, else the one that containers.conf names, or crun.
    pub fn named(name: Option<&str>, settings: &Settings) -> Result<Self, RuntimeError> {
        let name = name.or(settings.engine.runtime.as_deref()).filter(|name| !name.is_empty()).unwrap_or(USUAL);
        let flags = settings.runtime_flags.clone();
        if name.contains('/') {
            let program = PathBuf::from(name);
            if !is_program(&program) {
                return Err(RuntimeError::NoRuntime(program));
            }
            let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Self { name, program, flags });
        }
        let configured =
            settings.engine.runtimes.get(name).into_iter().flatten().find(|path| is_program(path)).cloned();
        match configured.or_else(|| on_path(name)) {
            Some(program) => Ok(Self { name: name.to_owned(), program, flags }),
            None if name == USUAL => {
                Err(RuntimeError::Missing { program: name.to_owned(), purpose: "it runs containers", package: "crun" })
            }
            None => Err(RuntimeError::UnknownRuntime(name.to_owned())),
        }
    }

    /// Program and the arguments before its command. With `cgroups` it keeps to the cgroup that the specification names.
    pub fn command(&self, paths: &Paths, cgroups: bool) -> Vec<String> {
        let mut command =
            vec![self.program.display().to_string(), "--root".to_owned(), paths.runtime_root().display().to_string()];
        command.extend(self.flags.iter().map(|flag| format!("--{flag}")));
        if self.name == "crun" {
            command.push(format!("--cgroup-manager={}", if cgroups { "cgroupfs" } else { "disabled" }));
        }
        command
    }
}

/// What joins a container to the host's network.
pub fn pasta(settings: &Settings) -> Result<PathBuf, RuntimeError> {
    helper(settings, "pasta").ok_or_else(|| RuntimeError::Missing {
        program: "pasta".to_owned(),
        purpose: "it joins a container to the network; --network none or --network host do without",
        package: "passt",
    })
}

/// What joins a container to the host's network when it is asked for.
pub fn slirp4netns(settings: &Settings) -> Result<PathBuf, RuntimeError> {
    if let Some(path) = settings.engine.network_cmd_path.as_ref().filter(|path| !path.as_os_str().is_empty()) {
        return if is_program(path) { Ok(path.clone()) } else { Err(RuntimeError::NoSlirp(path.clone())) };
    }
    helper(settings, "slirp4netns").ok_or_else(|| RuntimeError::Missing {
        program: "slirp4netns".to_owned(),
        purpose: "it joins a container to the network with --network slirp4netns; without it, pasta does",
        package: "slirp4netns",
    })
}

/// What is a container's first process with `--init`: `asked`, or the one that is configured or usual.
pub fn init(settings: &Settings, asked: Option<&Path>) -> Result<PathBuf, RuntimeError> {
    if let Some(path) = asked {
        return if path.exists() { Ok(path.to_owned()) } else { Err(RuntimeError::NoInit(path.to_owned())) };
    }
    if let Some(path) = settings.containers.init_path.as_ref().filter(|path| !path.as_os_str().is_empty()) {
        return if is_program(path) { Ok(path.clone()) } else { Err(RuntimeError::NoInit(path.clone())) };
    }
    let usual = INITS.into_iter().map(PathBuf::from).find(|path| is_program(path));
    usual.or_else(|| helper(settings, "catatonit")).ok_or(RuntimeError::Missing {
        program: "catatonit".to_owned(),
        purpose: "it is a container's first process with --init",
        package: "catatonit",
    })
}

/// What stays beside each container: beside this program, or where it is installed.
pub fn monitor() -> Result<PathBuf, RuntimeError> {
    ours("haulout-monitor").ok_or(RuntimeError::Missing {
        program: "haulout-monitor".to_owned(),
        purpose: "it stays beside each container; is Haulout installed whole?",
        package: "haulout",
    })
}

/// Our command line, which a monitor calls to remove a `--rm` container.
pub fn command_line() -> Option<PathBuf> {
    ours("haulout").or_else(|| env::current_exe().ok())
}

fn ours(name: &str) -> Option<PathBuf> {
    let beside = env::current_exe().ok().and_then(|program| Some(program.parent()?.join(name)));
    let installed = OUR_FOLDERS.into_iter().map(|folder| Path::new(folder).join(name));
    beside.into_iter().chain(installed).find(|path| is_program(path)).or_else(|| on_path(name))
}

/// A helper program: in the folders of containers.conf, then on `PATH`.
fn helper(settings: &Settings, name: &str) -> Option<PathBuf> {
    let configured = settings.engine.helper_binaries_dir.items().iter().map(|folder| Path::new(folder).join(name));
    configured.into_iter().find(|path| is_program(path)).or_else(|| on_path(name))
}

/// `name` on `PATH`, or in the usual folders.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders.chain(FOLDERS.into_iter().map(PathBuf::from)).map(|folder| folder.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_is_the_configured_one() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("myrun");
        fs::write(&program, "").unwrap();
        let mut settings = Settings::default();
        settings.engine.runtime = Some("myrun".into());
        settings.engine.runtimes.insert("myrun".into(), vec!["/nowhere/myrun".into(), program.clone()]);
        assert!(matches!(Runtime::find(&settings), Err(RuntimeError::UnknownRuntime(_))), "it cannot be executed");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let by_name = Runtime::find(&settings).unwrap();
        assert_eq!(by_name, Runtime { name: "myrun".into(), program: program.clone(), flags: Vec::new() });
        assert_eq!(
            Runtime::named(Some("myrun"), &Settings { runtime_flags: vec!["debug".into()], ..settings.clone() })
                .unwrap()
                .flags,
            ["debug"]
        );
        settings.engine.runtime = Some(program.display().to_string());
        assert_eq!(Runtime::find(&settings).unwrap(), by_name);
        settings.engine.runtime = Some("/nowhere/x".into());
        assert!(matches!(Runtime::find(&settings), Err(RuntimeError::NoRuntime(_))));
    }
}
