// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What this machine lacks for rootless containers, why it is needed, and the command that mends it on this distribution.
//!
//! Everything is read from files below a root folder, so that machines can be made up. What was never met on a true machine by
//! its author says so: Ubuntu's AppArmor restriction, the sysctls of Debian and of hardened kernels, kernels without overlay, and
//! the package names of all distributions but Debian.

mod distribution;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::userns::subid::{self, Owner, SubidError};
pub use distribution::Distribution;

/// A piece that rootless containers stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Piece {
    /// `newuidmap` and `newgidmap`.
    IdMappers,
    /// They are there, but may not do what they are for.
    IdMappersPrivilege,
    /// The user's lines in `/etc/subuid` and `/etc/subgid`.
    SubordinateIds,
    /// A line in one of them that is broken, whoever's it is.
    SubordinateIdFiles,
    /// The OCI runtime.
    Runtime,
    /// pasta.
    Network,
    /// `/dev/net/tun`, which pasta opens.
    Tunnel,
    /// The sysctl `user.max_user_namespaces` is 0.
    UserNamespaces,
    /// Debian's sysctl `kernel.unprivileged_userns_clone` is 0.
    UnprivilegedUserNamespaces,
    /// Ubuntu's sysctl `kernel.apparmor_restrict_unprivileged_userns` is 1, and Haulout has no profile that allows it.
    AppArmor,
    /// The kernel's overlay, mounted by an ordinary user.
    Overlay,
    /// `$XDG_RUNTIME_DIR`.
    RuntimeFolder,
    /// The systemd user manager.
    UserManager,
}

/// A piece that the machine lacks. The words are for whoever has no translations of their own by [`Missing::piece`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub piece: Piece,
    /// What, in a few words.
    pub name: String,
    /// Why it is needed, and what is known of its lack.
    pub why: String,
    /// What to do, as a command for a terminal; nothing where there is none that is known to be right.
    pub command: Option<String>,
    /// Nothing runs without it; else something is done without.
    pub fatal: bool,
}

/// Whose machine, seen from where.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where its files begin: `/`.
    pub root: PathBuf,
    /// Where programs are looked for, in `root`.
    pub path: Vec<PathBuf>,
    /// Who wants containers.
    pub owner: Owner,
    /// `$XDG_RUNTIME_DIR`, in `root`.
    pub runtime_folder: Option<PathBuf>,
    /// The OCI runtime's name or path.
    pub runtime: String,
    /// Where shared data may be installed, in `root`: `$XDG_DATA_HOME` and `$XDG_DATA_DIRS`.
    pub data: Vec<PathBuf>,
}

/// What this machine lacks, the gravest first; nothing when containers run.
pub fn missing() -> Vec<Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];
    let machine = Machine {
        root: "/".into(),
        path: std::env::split_paths(&path).chain(usual.map(PathBuf::from)).collect(),
        owner: Owner::current(),
        runtime_folder: std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
        runtime: "crun".to_owned(),
        data: data_folders(),
    };
    machine.missing()
}

/// The XDG base directories for data, the user's first.
fn data_folders() -> Vec<PathBuf> {
    let home = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share")));
    let system = std::env::var_os("XDG_DATA_DIRS").unwrap_or_default();
    let usual = ["/usr/local/share", "/usr/share"].map(PathBuf::from);
    home.into_iter().chain(std::env::split_paths(&system)).chain(usual).filter(|path| path.is_absolute()).collect()
}

impl Machine {
    /// What it lacks, the gravest first.
    pub fn missing(&self) -> Vec<Missing> {
        let distribution = Distribution::read(&self.root);
        let mut found = Vec::new();
        // Root of the machine needs no user namespace.
        if self.owner.uid != 0 {
            found.extend(self.namespaces(distribution));
            found.extend(self.id_mappers(distribution));
            found.extend(self.subordinate_ids());
            found.extend(self.overlay());
        }
        found.extend(self.programs(distribution));
        if self.owner.uid != 0 {
            found.extend(self.session());
        }
        found.sort_by_key(|missing| !missing.fatal);
        found
    }

    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// A number in `/proc/sys`.
    fn sysctl(&self, name: &str) -> Option<u64> {
        fs::read_to_string(self.at("proc/sys").join(name)).ok()?.trim().parse().ok()
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        let candidates = self.path.iter().map(|folder| self.at(folder).join(name));
        let mut candidates: Box<dyn Iterator<Item = PathBuf>> =
            if name.contains('/') { Box::new(std::iter::once(self.at(name))) } else { Box::new(candidates) };
        candidates.find(|path| {
            fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
    }

    /// What forbids an ordinary user to make a user namespace. Untested on a machine that does.
    fn namespaces(&self, distribution: Distribution) -> Vec<Missing> {
        let mut found = Vec::new();
        let why =
            "Containers of an ordinary user live in a user namespace, and this machine lets nobody but root make one";
        if self.sysctl("user/max_user_namespaces") == Some(0) {
            found.push(Missing {
                piece: Piece::UserNamespaces,
                name: "User namespaces".to_owned(),
                why: format!("{why} (user.max_user_namespaces is 0)."),
                command: Some(
                    "echo user.max_user_namespaces=15000 | sudo tee /etc/sysctl.d/60-haulout.conf && sudo sysctl --system"
                        .to_owned(),
                ),
                fatal: true,
            });
        }
        if self.sysctl("kernel/unprivileged_userns_clone") == Some(0) {
            found.push(Missing {
                piece: Piece::UnprivilegedUserNamespaces,
                name: "User namespaces".to_owned(),
                why: format!("{why} (kernel.unprivileged_userns_clone is 0)."),
                command: Some(
                    "echo kernel.unprivileged_userns_clone=1 | sudo tee /etc/sysctl.d/60-haulout.conf && sudo sysctl --system"
                        .to_owned(),
                ),
                fatal: true,
            });
        }
        if self.sysctl("kernel/apparmor_restrict_unprivileged_userns") == Some(1)
            && !self.at("etc/apparmor.d/haulout").exists()
        {
            found.push(self.apparmor(distribution));
        }
        found
    }

    /// Ubuntu's. Untested: there is no AppArmor where this was written.
    fn apparmor(&self, distribution: Distribution) -> Missing {
        let shipped =
            self.data.iter().map(|folder| folder.join("haulout/apparmor/haulout")).find(|path| self.at(path).exists());
        let command = match shipped {
            Some(path) => format!(
                "sudo install -m 644 {} /etc/apparmor.d/haulout && sudo apparmor_parser -r /etc/apparmor.d/haulout",
                path.display()
            ),
            None => "echo kernel.apparmor_restrict_unprivileged_userns=0 | sudo tee /etc/sysctl.d/60-haulout.conf && sudo sysctl --system"
                .to_owned(),
        };
        let whose = if distribution == Distribution::Debian { "Ubuntu's" } else { "the" };
        Missing {
            piece: Piece::AppArmor,
            name: "An AppArmor profile".to_owned(),
            why: format!(
                "Containers of an ordinary user live in a user namespace, which {whose} AppArmor allows only to programs with a \
                 profile (kernel.apparmor_restrict_unprivileged_userns is 1)."
            ),
            command: Some(command),
            fatal: true,
        }
    }

    fn id_mappers(&self, distribution: Distribution) -> Vec<Missing> {
        let why = "It gives the users of a container their ids on this machine";
        let names = ["newuidmap", "newgidmap"];
        let found: Vec<Option<PathBuf>> = names.iter().map(|name| self.program(name)).collect();
        let lacking: Vec<&str> =
            names.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(name, _)| *name).collect();
        if !lacking.is_empty() {
            return vec![Missing {
                piece: Piece::IdMappers,
                name: lacking.join(", "),
                why: format!("{why}."),
                command: distribution.install(Piece::IdMappers, "newuidmap"),
                fatal: true,
            }];
        }
        let weak: Vec<String> = found
            .iter()
            .flatten()
            .filter(|path| !is_privileged(path))
            .map(|path| Path::new("/").join(path.strip_prefix(&self.root).unwrap_or(path)).display().to_string())
            .collect();
        if weak.is_empty() {
            return Vec::new();
        }
        vec![Missing {
            piece: Piece::IdMappersPrivilege,
            name: format!("The privilege of {}", weak.join(" and ")),
            why: format!("{why}, and needs to be set-user-ID root, or to have the capability, to do so."),
            command: Some(format!("sudo chmod u+s {}", weak.join(" "))),
            fatal: true,
        }]
    }

    fn subordinate_ids(&self) -> Vec<Missing> {
        let owner = &self.owner;
        let real = self.root == Path::new("/");
        let read = |file: &str, kind| {
            let found = subid::ranges(&self.at(file), owner);
            // Also where a directory service has them.
            if real && matches!(found, Err(SubidError::NoneFor { .. })) { subid::of(owner, kind) } else { found }
        };
        let found = [read("etc/subuid", subid::Kind::User), read("etc/subgid", subid::Kind::Group)];
        let error = found.into_iter().find_map(Result::err);
        match error {
            None => Vec::new(),
            Some(error @ (SubidError::Malformed { .. } | SubidError::Read { .. })) => vec![Missing {
                piece: Piece::SubordinateIdFiles,
                name: "Subordinate IDs".to_owned(),
                why: format!(
                    "The users of a container get their ids on this machine from it, and newuidmap cannot read it: {error}."
                ),
                command: None,
                fatal: true,
            }],
            Some(SubidError::NoneFor { .. }) => {
                let first = free_range(&self.at("etc/subuid"), &self.at("etc/subgid"));
                let range = format!("{first}-{}", first + 65535);
                vec![Missing {
                    piece: Piece::SubordinateIds,
                    name: "Subordinate IDs".to_owned(),
                    why: format!(
                        "The users of a container get their ids on this machine from /etc/subuid and /etc/subgid, which give {} none.",
                        owner.name
                    ),
                    command: Some(format!("sudo usermod --add-subuids {range} --add-subgids {range} {}", owner.name)),
                    fatal: true,
                }]
            }
        }
    }

    /// The kernel's overlay, which ordinary users may mount since Linux 5.11. Untested on a machine without.
    fn overlay(&self) -> Option<Missing> {
        let release = fs::read_to_string(self.at("proc/sys/kernel/osrelease")).ok()?;
        let release = release.trim();
        let mut numbers = release.split(['.', '-']).map(str::parse::<u32>);
        let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        let known = fs::read_to_string(self.at("proc/filesystems")).unwrap_or_default();
        let built_in = known.lines().any(|line| line.split_ascii_whitespace().last() == Some("overlay"));
        let module = ["lib/modules", "usr/lib/modules"]
            .iter()
            .any(|folder| self.at(folder).join(release).join("kernel/fs/overlayfs").exists());
        let missing = |why: String, command: Option<String>| Missing {
            piece: Piece::Overlay,
            name: "The overlay file system".to_owned(),
            why: format!("A container's files are its image's with its own changes over them. {why}"),
            command,
            fatal: true,
        };
        if version < (5, 11) {
            let why = format!("Linux lets ordinary users mount that since 5.11; this one is {release}.");
            return Some(missing(why, None));
        }
        if built_in || module {
            return None;
        }
        Some(missing("This kernel has no overlay.".to_owned(), Some("sudo modprobe overlay".to_owned())))
    }

    fn programs(&self, distribution: Distribution) -> Vec<Missing> {
        let mut found = Vec::new();
        if self.program(&self.runtime).is_none() {
            let known = self.runtime == "crun";
            found.push(Missing {
                piece: Piece::Runtime,
                name: self.runtime.clone(),
                why: "It starts the processes of containers.".to_owned(),
                command: known.then(|| distribution.install(Piece::Runtime, "crun")).flatten(),
                fatal: true,
            });
        }
        if self.program("pasta").is_none() {
            found.push(Missing {
                piece: Piece::Network,
                name: "pasta".to_owned(),
                why: "It connects containers to the network. Without it only those without a network, or with this machine's \
                      own, can run."
                    .to_owned(),
                command: distribution.install(Piece::Network, "pasta"),
                fatal: false,
            });
        } else if !self.at("dev/net/tun").exists() {
            found.push(Missing {
                piece: Piece::Tunnel,
                name: "/dev/net/tun".to_owned(),
                why: "pasta connects containers to the network through it.".to_owned(),
                command: Some("sudo modprobe tun".to_owned()),
                fatal: false,
            });
        }
        found
    }

    /// What a login gives: without it containers run all the same.
    fn session(&self) -> Vec<Missing> {
        let user = &self.owner.name;
        let systemd = self.at("run/systemd/system").exists();
        let linger = systemd.then(|| format!("sudo loginctl enable-linger {user}"));
        let by_uid = PathBuf::from(format!("/run/user/{}", self.owner.uid));
        let folder = self.runtime_folder.clone().into_iter().chain([by_uid]).find(|path| self.at(path).is_dir());
        let Some(folder) = folder else {
            return vec![Missing {
                piece: Piece::RuntimeFolder,
                name: "A runtime folder".to_owned(),
                why: "XDG_RUNTIME_DIR, which a login sets, is where it is kept which containers run. Without it that is a folder \
                      in /tmp, and limits cannot be set."
                    .to_owned(),
                command: linger,
                fatal: false,
            }];
        };
        if self.at(folder.join("systemd/private")).exists() || self.at(folder.join("bus")).exists() {
            return Vec::new();
        }
        vec![Missing {
            piece: Piece::UserManager,
            name: "The systemd user manager".to_owned(),
            why: "It gives each container a cgroup of its own. Without it limits cannot be set, and containers end with the \
                  session that started them."
                .to_owned(),
            command: linger,
            fatal: false,
        }]
    }
}

/// Set-user-ID, or with file capabilities: Debian has the one, Fedora the other.
fn is_privileged(program: &Path) -> bool {
    let setuid = fs::metadata(program).is_ok_and(|found| found.permissions().mode() & 0o4000 != 0);
    setuid || rustix::fs::getxattr(program, "security.capability", &mut [0_u8; 64][..]).is_ok()
}

/// The first of 65536 ids that no line of either file has, from 100000 on, where useradd(8) begins.
fn free_range(subuid: &Path, subgid: &Path) -> u64 {
    let ends = [subuid, subgid].into_iter().filter_map(|path| fs::read_to_string(path).ok()).flat_map(|text| {
        let numbers = text.lines().filter_map(|line| {
            let mut fields = line.split(':').skip(1).map(str::trim);
            Some(fields.next()?.parse::<u64>().ok()?.saturating_add(fields.next()?.parse().ok()?))
        });
        numbers.collect::<Vec<_>>()
    });
    // Only so far as ids go: a file that has given away all of them is beyond a suggestion.
    ends.max().unwrap_or(0).clamp(100_000, u64::from(u32::MAX) - 65536)
}

#[cfg(test)]
mod tests;
