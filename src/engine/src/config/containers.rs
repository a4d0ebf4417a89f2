// SPDX-License-Identifier: Apache-2.0 OR MIT
//! containers.conf, found and merged as containers.conf(5) says: the distribution's, the machine's and its drop-ins, the
//! user's and theirs; a later file wins key by key, and a list is appended when it says `{append=true}`.
//!
//! Only the keys that something is made of here are kept. Those that Podman knows beside them are passed over; one that
//! nobody knows is told once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Folders;

/// What the files say; nothing where they say nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[containers]`.
    pub containers: Containers,
    /// `[engine]`.
    pub engine: Engine,
    /// `[network]`.
    pub network: Network,
    /// `[secrets]`.
    pub secrets: Secrets,
    /// What should be told: keys that nobody knows.
    pub warnings: Vec<String>,
}

/// Why the settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file that is there cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no TOML, or a value is of the wrong kind.
    #[error("{}, line {line}, column {column}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
}

/// One file: its tables, and whatever else is in it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    containers: Containers,
    engine: Engine,
    network: Network,
    secrets: Secrets,
    #[serde(flatten)]
    rest: Rest,
}

/// Makes a table of settings: each key an `Option` or a list, and how a later file is laid over an earlier one.
macro_rules! table {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $key:ident: $kind:ty,)* } also $known:expr) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$doc])* pub $key: $kind,)*
            #[serde(flatten)]
            rest: Rest,
        }

        impl $name {
            fn overlay(&mut self, later: Self) {
                $(self.$key.lay_over(later.$key);)*
            }

            fn unknown(&self) -> impl Iterator<Item = &str> {
                const KNOWN: &[&str] = $known;
                self.rest.0.keys().map(String::as_str).filter(|key| !KNOWN.contains(key))
            }
        }
    };
}

table! {
    /// `[containers]`: what a container has when nobody says otherwise.
    Containers {
        /// Annotations of every container, `key=value`.
        annotations: List,
        /// What `/etc/hosts` begins with: a file, `none`, or `image`.
        base_hosts_file: Option<String>,
        /// `enabled`, `disabled` or `no-conmon`.
        cgroups: Option<String>,
        /// Whether a container's name is its host name.
        container_name_as_hostname: Option<bool>,
        /// The capabilities, `CAP_` before each or not.
        default_capabilities: List,
        /// `key=value`.
        default_sysctls: List,
        /// `name=soft:hard`.
        default_ulimits: List,
        /// Options of `resolv.conf`.
        dns_options: List,
        /// Search domains of `resolv.conf`.
        dns_searches: List,
        /// Name servers of `resolv.conf`.
        dns_servers: List,
        /// `KEY=value`.
        env: List,
        /// What `host.containers.internal` is.
        host_containers_internal_ip: Option<String>,
        /// Whether the proxy variables of whoever starts it are its own too.
        http_proxy: Option<bool>,
        /// Whether `--init` is meant when it is not said.
        init: Option<bool>,
        /// The program of `--init`.
        init_path: Option<PathBuf>,
        /// `k8s-file`, `journald`, `none`.
        log_driver: Option<String>,
        /// Bytes; none when negative.
        log_size_max: Option<i64>,
        /// The tag of lines in the journal.
        log_tag: Option<String>,
        /// Whether `/etc/hosts` is left to the image.
        no_hosts: Option<bool>,
        /// From -1000 to 1000.
        oom_score_adj: Option<i32>,
        /// How many processes; none when 0 or less.
        pids_limit: Option<i64>,
        /// Whether `--read-only` is meant when it is not said.
        read_only: Option<bool>,
        /// A file, or nothing for our own.
        seccomp_profile: Option<String>,
        /// The size of `/dev/shm`, as people write it: `65536k`.
        shm_size: Option<String>,
        /// The time zone, or `local`.
        tz: Option<String>,
        /// Four octal digits.
        umask: Option<String>,
        /// As `--userns` has it.
        userns: Option<String>,
        /// As `-v` has them.
        volumes: List,
    } also &[
        "apparmor_profile", "cgroup_conf", "cgroupns", "devices", "env_host", "interface_name", "ipcns", "keyring", "label",
        "label_users", "mounts", "netns", "pidns", "prepare_volume_on_create", "privileged", "userns_size", "utsns",
    ]
}

table! {
    /// `[engine]`: how containers are run.
    Engine {
        /// `systemd` or `cgroupfs`.
        cgroup_manager: Option<String>,
        /// Folders in which helper programs are looked for before `PATH`.
        helper_binaries_dir: List,
        /// The OCI runtime: a name or a path.
        runtime: Option<String>,
        /// Where each OCI runtime may be, in order.
        runtimes: BTreeMap<String, Vec<PathBuf>>,
        /// Seconds that a container has to stop.
        stop_timeout: Option<u64>,
    } also &[
        "active_service", "add_compression", "cdi_spec_dirs", "compat_api_enforce_docker_hub", "compose_providers",
        "compose_warning_logs", "compression_format", "compression_level", "conmon_env_vars", "conmon_path", "conmonrs_path",
        "database_backend", "detach_keys", "enable_port_reservation", "env", "events_container_create_inspect_data",
        "events_logfile_max_size", "events_logfile_path", "events_logger", "exit_command_delay", "healthcheck_events",
        "helper_binaries_dir", "hooks_dir", "image_copy_tmp_dir", "image_default_format", "image_default_transport",
        "image_parallel_copies", "image_volume_mode", "infra_command", "infra_image", "kube_generate_type", "lock_type",
        "machine_enabled", "multi_image_archive", "namespace", "network_cmd_options", "network_cmd_path", "no_pivot_root",
        "num_locks", "platform_to_oci_runtime", "pod_exit_policy", "pull_policy", "remote", "retry", "retry_delay",
        "runtime_supports_json", "runtime_supports_kvm", "runtime_supports_nocgroups", "service_destinations",
        "service_timeout", "static_dir", "tmp_dir", "volume_path", "volume_plugins", "volume_plugin_timeout",
    ]
}

table! {
    /// `[network]`: how containers reach the network.
    Network {
        /// Further arguments of pasta's.
        pasta_options: List,
    } also &[
        "cni_plugin_dirs", "default_network", "default_rootless_network_cmd", "default_subnet", "default_subnet_pools",
        "dns_bind_port", "firewall_driver", "netavark_plugin_dirs", "network_backend", "network_config_dir",
    ]
}

table! {
    /// `[secrets]`: who keeps what secrets hide.
    Secrets {
        /// `file`, `pass` or `shell`.
        driver: Option<String>,
        /// Options of the driver.
        opts: BTreeMap<String, String>,
    } also &[]
}

/// Tables of other programs, or of ours for later.
const OTHER_TABLES: &[&str] = &["configmaps", "machine", "farms", "podmansh"];

/// What was in a table beside the keys that are kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
struct Rest(
    #[allow(clippy::zero_sized_map_values, reason = "serde has no set that skips values")] BTreeMap<String, IgnoredAny>,
);

impl PartialEq for Rest {
    fn eq(&self, other: &Self) -> bool {
        self.0.keys().eq(other.0.keys())
    }
}

/// A list of strings, and whether later ones come after it instead of in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<Item>")]
pub struct List {
    items: Vec<String>,
    said: bool,
    append: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "neither a string nor {append=true}")]
enum Item {
    Text(String),
    Attributes { append: bool },
}

impl From<Vec<Item>> for List {
    fn from(written: Vec<Item>) -> Self {
        let mut list = Self { said: true, ..Self::default() };
        for item in written {
            match item {
                Item::Text(text) => list.items.push(text),
                Item::Attributes { append } => list.append = Some(append),
            }
        }
        list
    }
}

impl List {
    /// What it holds; nothing when no file has it.
    pub fn get(&self) -> Option<&[String]> {
        self.said.then_some(&self.items)
    }

    /// What it holds, or nothing at all.
    pub fn items(&self) -> &[String] {
        &self.items
    }
}

/// How what a later file says is laid over what an earlier one said.
trait LayOver {
    fn lay_over(&mut self, later: Self);
}

impl<T> LayOver for Option<T> {
    fn lay_over(&mut self, later: Self) {
        if later.is_some() {
            *self = later;
        }
    }
}

impl LayOver for List {
    fn lay_over(&mut self, later: Self) {
        if !later.said {
            return;
        }
        // The attribute holds for this file and for those after it, until one says otherwise.
        let append = later.append.or(self.append);
        if append == Some(true) {
            self.items.extend(later.items);
        } else {
            self.items = later.items;
        }
        self.said = true;
        self.append = append;
    }
}

impl<T> LayOver for BTreeMap<String, T> {
    fn lay_over(&mut self, later: Self) {
        self.extend(later);
    }
}

impl Settings {
    /// Reads what is there, as the environment says: `CONTAINERS_CONF` alone if set, `CONTAINERS_CONF_OVERRIDE` last.
    pub fn load() -> Result<Self, SettingsError> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let mut files = match variable("CONTAINERS_CONF") {
            Some(only) => vec![(only, true)],
            None => files(&Folders::from_environment())?.into_iter().map(|path| (path, false)).collect(),
        };
        files.extend(variable("CONTAINERS_CONF_OVERRIDE").map(|path| (path, true)));
        Self::read(files)
    }

    /// Reads `files`, the later over the earlier; one that need not be there says `false`.
    fn read(files: Vec<(PathBuf, bool)>) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        for (path, must) in files {
            match fs::read_to_string(&path) {
                Ok(text) => settings.add(&path, &text)?,
                Err(error) if !must && error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(SettingsError::Read { path, source }),
            }
        }
        Ok(settings)
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<(), SettingsError> {
        let file: File = toml::from_str(text).map_err(|error| malformed(path, text, &error))?;
        let tables = file.rest.0.keys().map(String::as_str).filter(|table| !OTHER_TABLES.contains(table));
        for (table, keys) in [
            ("containers.", file.containers.unknown().collect::<Vec<_>>()),
            ("engine.", file.engine.unknown().collect()),
            ("network.", file.network.unknown().collect()),
            ("secrets.", file.secrets.unknown().collect()),
            ("", tables.collect()),
        ] {
            let told =
                keys.iter().map(|key| format!("{}: nobody knows {table}{key}; it is passed over", path.display()));
            self.warnings.extend(told);
        }
        self.containers.overlay(file.containers);
        self.engine.overlay(file.engine);
        self.network.overlay(file.network);
        self.secrets.overlay(file.secrets);
        Ok(())
    }
}

/// The files to read, the least important first.
fn files(folders: &Folders) -> Result<Vec<PathBuf>, SettingsError> {
    let mut files = vec![folders.vendor.join("containers.conf")];
    for folder in [Some(&folders.system), folders.user.as_ref()].into_iter().flatten() {
        files.push(folder.join("containers.conf"));
        files.extend(drop_ins(&folder.join("containers.conf.d"))?);
    }
    Ok(files)
}

/// The `*.conf` of a folder, sorted.
fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>, SettingsError> {
    let failed = |source| SettingsError::Read { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "conf") && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn malformed(path: &Path, text: &str, error: &toml::de::Error) -> SettingsError {
    let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or(text));
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    SettingsError::Malformed {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        reason: error.message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(texts: &[&str]) -> Settings {
        let mut settings = Settings::default();
        for text in texts {
            settings.add(Path::new("containers.conf"), text).unwrap();
        }
        settings
    }

    #[test]
    fn a_later_file_wins_key_by_key() {
        let both = settings(&[
            "[containers]\npids_limit = 1\ntz = 'local'\n[engine.runtimes]\ncrun = ['/a']\nrunc = ['/b']",
            "[containers]\npids_limit = 2\n[engine]\nruntime = 'runc'\n[engine.runtimes]\ncrun = ['/c']",
        ]);
        assert_eq!(both.containers.pids_limit, Some(2));
        assert_eq!(both.containers.tz.as_deref(), Some("local"));
        assert_eq!(both.engine.runtime.as_deref(), Some("runc"));
        assert_eq!(both.engine.runtimes["crun"], [PathBuf::from("/c")]);
        assert_eq!(both.engine.runtimes["runc"], [PathBuf::from("/b")]);
        assert!(both.warnings.is_empty());
    }

    #[test]
    fn a_list_replaces_the_earlier_one_unless_it_appends() {
        let lists = |texts: &[&str]| settings(texts).containers.env.get().map(<[_]>::to_vec);
        let (a, b, more) =
            ("[containers]\nenv = ['a']", "[containers]\nenv = ['b']", "[containers]\nenv = ['c', {append=true}]");
        assert_eq!(lists(&["[containers]"]), None);
        assert_eq!(lists(&[a, b]).unwrap(), ["b"]);
        assert_eq!(lists(&[a, more]).unwrap(), ["a", "c"]);
        assert_eq!(lists(&[a, more, b]).unwrap(), ["a", "c", "b"], "the attribute stays on");
        let off = "[containers]\nenv = ['d', {append=false}]";
        assert_eq!(lists(&[a, more, off]).unwrap(), ["d"]);
        assert_eq!(lists(&[a, "[containers]\nenv = []"]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_key_of_podmans_that_is_not_used_is_silent_and_an_unknown_one_is_told() {
        let told = settings(&[
            "[containers]\nutsns = 'host'\npid_limit = 3\n[engine]\nnum_locks = 2\n[machine]\ncpus = 1\n[foo]\nx=1",
        ]);
        assert_eq!(told.warnings.len(), 2, "{:?}", told.warnings);
        assert!(told.warnings[0].contains("containers.pid_limit") && told.warnings[1].contains("foo"));
    }

    #[test]
    fn a_broken_file_is_told_with_line_and_column() {
        let error = |text: &str| Settings::default().add(Path::new("x.conf"), text).unwrap_err().to_string();
        assert!(error("[containers]\npids_limit = 'many'").starts_with("x.conf, line 2, column 14: "));
        assert!(error("[containers]\nenv = [ 'a', 3 ]").starts_with("x.conf, line 2, column "));
        assert!(error("[containers]\n\n  env = [").starts_with("x.conf, line 3, column "));
        assert!(error("[engine]\nruntimes = 3").starts_with("x.conf, line 2, column 12: "));
    }

    #[test]
    fn drop_ins_come_sorted_after_the_file_of_their_folder_and_the_users_last() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, value: i64| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("[containers]\npids_limit = {value}")).unwrap();
        };
        let folders = Folders {
            user: Some(folder.path().join("user")),
            system: folder.path().join("etc"),
            vendor: folder.path().join("usr"),
            cache: None,
        };
        let limit = || {
            let files = files(&folders).unwrap().into_iter().map(|path| (path, false)).collect();
            Settings::read(files).unwrap().containers.pids_limit
        };
        assert_eq!(limit(), None);
        for (path, value) in [
            ("usr/containers.conf", 1),
            ("etc/containers.conf", 2),
            ("etc/containers.conf.d/b.conf", 3),
            ("user/containers.conf", 5),
            ("user/containers.conf.d/z.conf", 6),
        ] {
            write(path, value);
            assert_eq!(limit(), Some(value), "{path}");
        }
        for (path, kept) in [
            ("etc/containers.conf.d/c.conf", 6),
            ("user/containers.conf.d/a.conf", 6),
            ("user/containers.conf.d/zz.txt", 6),
        ] {
            write(path, 9);
            assert_eq!(limit(), Some(kept), "{path}");
        }
    }
}
