// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The options of the program itself: they come before a verb, and most of them may come after it.

#![allow(clippy::doc_markdown, reason = "the flags' comments are what `--help` prints, as it is")]

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Command};
use haulout_engine::Paths;
use haulout_engine::config::containers::{List, Settings, Told};
use haulout_engine::config::storage::Storage;

use crate::exit::{Failure, os_words};

/// Options of the program that stand only before a verb.
const BEFORE: [&str; 3] = ["module", "noout", "out"];

/// The levels of `--log-level`.
const LEVELS: [&str; 8] = ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"];

/// What one reads who asks for another machine's engine.
const NOT_REMOTE: &str = "Haulout cannot use an engine elsewhere yet: run it where the containers are";

/// Flags that every verb has.
#[derive(Args, Clone, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct Globals {
    /// Help for a command
    #[arg(long)]
    pub help: bool,
    /// Cgroup manager to use ("cgroupfs"|"systemd")
    #[arg(id = "of.cgroup_manager", long = "cgroup-manager")]
    cgroup_manager: Option<String>,
    /// Location of authentication config file
    #[arg(id = "of.config", long = "config")]
    config: Option<PathBuf>,
    /// Not used: what stays beside a container is Haulout's own
    #[arg(id = "of.conmon", long = "conmon")]
    conmon: Option<String>,
    /// Connection to use for a remote service (CONTAINER_CONNECTION); not there yet
    #[arg(id = "of.connection", short = 'c', long = "connection", alias = "context")]
    connection: Option<String>,
    /// Events backend to use ("file"|"journald"|"none")
    #[arg(id = "of.events_backend", long = "events-backend")]
    events_backend: Option<String>,
    /// Set the OCI hooks directory path (may be set multiple times)
    #[arg(id = "of.hooks_dir", long = "hooks-dir")]
    hooks_dir: Vec<String>,
    /// Path to SSH identity file (CONTAINER_SSHKEY); not there yet
    #[arg(id = "of.identity", long = "identity")]
    identity: Option<String>,
    /// Path to a folder in which the images of a new store are kept apart from everything else
    #[arg(id = "of.imagestore", long = "imagestore")]
    imagestore: Option<PathBuf>,
    /// Log messages above specified level (trace, debug, info, warn, warning, error, fatal, panic)
    #[arg(id = "of.log_level", long = "log-level", default_value = "warn")]
    log_level: String,
    /// Load the containers.conf(5) module
    #[arg(id = "of.module", long = "module")]
    module: Vec<String>,
    /// Path to slirp4netns
    #[arg(id = "of.network_cmd_path", long = "network-cmd-path")]
    network_cmd_path: Option<PathBuf>,
    /// Path of the configuration directory for networks
    #[arg(id = "of.network_config_dir", long = "network-config-dir")]
    network_config_dir: Option<String>,
    /// Do not output to stdout
    #[arg(id = "of.noout", long = "noout", hide = true)]
    noout: bool,
    /// Send output (stdout) to a file
    #[arg(id = "of.out", long = "out")]
    out: Option<PathBuf>,
    /// Access a remote service; not there yet
    #[arg(id = "of.remote", short = 'r', long = "remote")]
    remote: Option<bool>,
    /// Path to the folder where images, containers, etc. are stored
    #[arg(id = "of.root", long = "root")]
    root: Option<PathBuf>,
    /// Path to the folder where what runs keeps its state
    #[arg(id = "of.runroot", long = "runroot")]
    runroot: Option<PathBuf>,
    /// Path to the OCI-compatible binary used to run containers
    #[arg(id = "of.runtime", long = "runtime")]
    runtime: Option<String>,
    /// Add global flags for the container runtime
    #[arg(id = "of.runtime_flag", long = "runtime-flag")]
    runtime_flag: Vec<String>,
    /// Define the ssh mode; not there yet
    #[arg(id = "of.ssh", long = "ssh")]
    ssh: Option<String>,
    /// Select which storage driver is used to manage storage of images and containers
    #[arg(id = "of.storage_driver", long = "storage-driver")]
    storage_driver: Option<String>,
    /// Used to pass an option to the storage driver
    #[arg(id = "of.storage_opt", long = "storage-opt")]
    storage_opt: Vec<String>,
    /// Output logging information to syslog as well as the console
    #[arg(id = "of.syslog", long = "syslog")]
    syslog: Option<bool>,
    /// Path to the folder for what does not survive a reboot
    #[arg(id = "of.tmpdir", long = "tmpdir")]
    tmpdir: Option<PathBuf>,
    /// Enable transient container storage
    #[arg(id = "of.transient_store", long = "transient-store")]
    transient_store: Option<bool>,
    /// URL to access a remote service (CONTAINER_HOST); not there yet
    #[arg(id = "of.url", long = "url")]
    url: Option<String>,
    /// Path to the volume directory in which volume data is stored
    #[arg(id = "of.volumepath", long = "volumepath")]
    volumepath: Option<PathBuf>,
}

/// How a command was told to work.
pub struct Setup {
    /// containers.conf, and what outranks it.
    pub settings: Settings,
    /// What outranks it.
    pub told: Told,
    /// storage.conf, and what outranks it.
    pub storage: Storage,
    /// Where the engine keeps things.
    pub paths: Paths,
}

impl Globals {
    /// A verb's command with these flags beside its own, which are not shown, and give way to the verb's own of the same name.
    pub fn beside(flags: fn(Command) -> Command) -> Command {
        let own = flags(Command::new("own"));
        let taken = |long: &str| own.get_arguments().any(|arg| arg.get_long() == Some(long));
        // The verb's flags last: the description is theirs.
        let command = Self::augment_args(Command::new("verb")).mut_args(|arg| {
            let arg = arg.hide(true).short(None);
            match arg.get_long().map(str::to_owned) {
                Some(long) if BEFORE.contains(&long.as_str()) || taken(&long) => {
                    // The parser wants names that stay; there are a few of these in the life of a process.
                    let name: &'static str = format!("program-{long}").leak();
                    arg.long(name)
                }
                _ => arg,
            }
        });
        flags(command)
    }

    /// These, which were said after the verb, over those that were said before it.
    pub fn over(self, before: Self) -> Self {
        let list = |after: Vec<String>, before: Vec<String>| if after.is_empty() { before } else { after };
        Self {
            help: self.help || before.help,
            cgroup_manager: self.cgroup_manager.or(before.cgroup_manager),
            config: self.config.or(before.config),
            conmon: self.conmon.or(before.conmon),
            connection: self.connection.or(before.connection),
            events_backend: self.events_backend.or(before.events_backend),
            hooks_dir: list(self.hooks_dir, before.hooks_dir),
            identity: self.identity.or(before.identity),
            imagestore: self.imagestore.or(before.imagestore),
            log_level: if self.log_level == "warn" { before.log_level } else { self.log_level },
            module: before.module,
            network_cmd_path: self.network_cmd_path.or(before.network_cmd_path),
            network_config_dir: self.network_config_dir.or(before.network_config_dir),
            noout: before.noout,
            out: before.out,
            remote: self.remote.or(before.remote),
            root: self.root.or(before.root),
            runroot: self.runroot.or(before.runroot),
            runtime: self.runtime.or(before.runtime),
            runtime_flag: list(self.runtime_flag, before.runtime_flag),
            ssh: self.ssh.or(before.ssh),
            storage_driver: self.storage_driver.or(before.storage_driver),
            storage_opt: list(self.storage_opt, before.storage_opt),
            syslog: self.syslog.or(before.syslog),
            tmpdir: self.tmpdir.or(before.tmpdir),
            transient_store: self.transient_store.or(before.transient_store),
            url: self.url.or(before.url),
            volumepath: self.volumepath.or(before.volumepath),
        }
    }

    /// Has what follows go where it was told to, and the log shown from its level on.
    pub fn apply(&self) -> Result<()> {
        log(&self.log_level)?;
        let out = match (&self.out, self.noout) {
            (_, true) => Some(Path::new("/dev/null")),
            (out, false) => out.as_deref(),
        };
        let Some(path) = out else { return Ok(()) };
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(path);
        let file = file.map_err(|error| Failure {
            status: 1,
            message: format!("unable to open file for standard output: open {}: {}", path.display(), os_words(&error)),
        })?;
        rustix::stdio::dup2_stdout(&file).with_context(|| format!("writing to {}", path.display()))
    }

    /// The settings, as the files and these flags say.
    pub fn setup(&self) -> Result<Setup> {
        let told = self.told()?;
        let settings = Settings::load(&told)?;
        self.check_local(&settings)?;
        let mut storage = Storage::load()?;
        if let Some(driver) = &self.storage_driver {
            storage.set_driver(driver)?;
        }
        if self.root.is_some() {
            storage.options = haulout_engine::config::storage::Options::default();
        }
        if !self.storage_opt.is_empty() {
            storage.set_options(&self.storage_opt)?;
        }
        storage.warnings.extend(storage.undone());
        if let Some(images) = absolute(self.imagestore.as_ref())? {
            storage.set_image_store(&images);
        }
        storage.transient = self.transient_store.unwrap_or(storage.transient);
        let paths = Paths::configured(&settings, &storage);
        let runroot = self.runtime_root()?;
        let paths = paths.below(absolute(self.root.as_ref())?.as_deref(), runroot.as_deref());
        let paths = match runroot.and_then(|_| paths.other_runtime()) {
            // Podman's words.
            Some(other) => bail!(
                "database run root \"{}\" does not match our run root \"{}\": containers of this store run there: database configuration mismatch",
                other.display(),
                paths.runtime.display()
            ),
            None => paths.where_it_runs(),
        };
        storage.check(&paths, self.storage_driver.is_some())?;
        let events = paths.events().file;
        if settings.engine.events_logfile_path.is_some() && events.is_dir() {
            bail!(
                "failed to create event log file: {} is a directory; events_logfile_path in containers.conf is to lead to a file",
                events.display()
            );
        }
        Ok(Setup { settings, told, storage, paths })
    }

    /// `--runroot`, else `--tmpdir`: what does not survive a reboot is in one place.
    fn runtime_root(&self) -> Result<Option<PathBuf>> {
        absolute(self.runroot.as_ref().or(self.tmpdir.as_ref()))
    }

    /// What outranks containers.conf, and the words by which what is started for a container is told the same.
    fn told(&self) -> Result<Told> {
        let mut told = Told { modules: self.module.clone(), ..Told::default() };
        let mut words = Vec::new();
        let mut say = |flag: &str, value: &str| words.push(format!("--{flag}={value}"));
        for module in &self.module {
            say("module", module);
        }
        if let Some(manager) = &self.cgroup_manager {
            if !["cgroupfs", "systemd"].contains(&manager.as_str()) {
                bail!("configuring runtime: cgroup manager must be one of cgroupfs and systemd: invalid argument");
            }
            told.settings.engine.cgroup_manager = Some(manager.clone());
            say("cgroup-manager", manager);
        }
        if let Some(backend) = &self.events_backend {
            if !["file", "journald", "none"].contains(&backend.as_str()) {
                bail!("configuring runtime: {backend:?} is not a valid events backend: invalid argument");
            }
            told.settings.engine.events_logger = Some(backend.clone());
            say("events-backend", backend);
        }
        if !self.hooks_dir.is_empty() {
            told.settings.engine.hooks_dir = List::of(self.hooks_dir.clone());
            self.hooks_dir.iter().for_each(|folder| say("hooks-dir", folder));
        }
        if let Some(runtime) = self.runtime.as_ref().filter(|runtime| !runtime.is_empty()) {
            told.settings.engine.runtime = Some(runtime.clone());
            say("runtime", runtime);
        }
        told.settings.runtime_flags.clone_from(&self.runtime_flag);
        self.runtime_flag.iter().for_each(|flag| say("runtime-flag", flag));
        if let Some(path) = &self.network_cmd_path {
            told.settings.engine.network_cmd_path = Some(path.clone());
        }
        if let Some(path) = absolute(self.volumepath.as_ref())? {
            say("volumepath", &path.display().to_string());
            told.settings.engine.volume_path = Some(path);
        }
        told.words = words;
        Ok(told)
    }

    /// Whoever asks for an engine elsewhere is not given the one that is here.
    fn check_local(&self, settings: &Settings) -> Result<()> {
        let variable = |name: &'static str| std::env::var_os(name).filter(|value| !value.is_empty()).map(|_| name);
        let asked = match self.remote {
            Some(false) => None,
            Some(true) => Some("--remote"),
            None => [("--connection", &self.connection), ("--url", &self.url)]
                .into_iter()
                .find_map(|(flag, value)| value.as_ref().map(|_| flag))
                .or_else(|| variable("CONTAINER_HOST"))
                .or_else(|| variable("CONTAINER_CONNECTION"))
                .or_else(|| (settings.engine.remote == Some(true)).then_some("engine.remote in containers.conf")),
        };
        match asked {
            Some(asked) => bail!("{asked}: {NOT_REMOTE}"),
            None => Ok(()),
        }
    }
}

/// What is started for a container works in another folder.
fn absolute(folder: Option<&PathBuf>) -> Result<Option<PathBuf>> {
    let whole = |folder: &PathBuf| std::path::absolute(folder).with_context(|| format!("finding {}", folder.display()));
    folder.filter(|folder| !folder.as_os_str().is_empty()).map(whole).transpose()
}

/// Has the engine's own log shown, from `level` on. Warnings are shown by the verbs: nothing is to be set up for them, but for one
/// who does not want them.
fn log(level: &str) -> Result<()> {
    let level = match level.to_ascii_lowercase().as_str() {
        "trace" => tracing::Level::TRACE,
        "debug" => tracing::Level::DEBUG,
        "info" => tracing::Level::INFO,
        "warn" | "warning" => return Ok(()),
        "error" | "fatal" | "panic" => {
            crate::output::no_warnings();
            return Ok(());
        }
        _ => {
            let levels = LEVELS.join(", ");
            crate::output::error(&format!("Log Level {level:?} is not supported, choose from: {levels}\n"));
            return Err(Failure { status: 1, message: String::new() }.into());
        }
    };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    Ok(())
}
