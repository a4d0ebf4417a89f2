// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout generate systemd`.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::{Error, container, runtime};
use serde_json::{Value, json};

use super::quadlet_from_run;
use crate::exit::os_words;
use crate::format::data::{escape_html, print_json};
use crate::invocation::Invocation;
use crate::units::service::{Frame, Runs, remade};
use crate::{output, rows, time};

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER";

/// What `Restart=` may be (systemd.service(5)).
const POLICIES: [&str; 7] = ["no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always"];

/// What `stop` and `run` take when nothing is said, in seconds.
const STOP_TIMEOUT: u64 = 10;

/// [DEPRECATED] Generate systemd units
///
/// Generates a service that starts and stops a container that is there, or with --new one that makes it anew. Quadlet is the better way
/// to run containers under systemd: haulout generate quadlet prints such a unit.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Add dependencies order to the generated unit file
    #[arg(long)]
    after: Vec<String>,
    /// Systemd unit name prefix for containers
    #[arg(long, default_value = "container")]
    container_prefix: String,
    /// Set environment variables to the systemd unit files
    #[arg(short, long)]
    env: Vec<String>,
    /// Generate .service files instead of printing to stdout
    #[arg(short, long)]
    files: bool,
    /// Print the created units in specified format (json)
    #[arg(long)]
    format: Option<String>,
    /// Use container names instead of IDs
    #[arg(short, long)]
    name: bool,
    /// Create a new container instead of starting an existing one
    #[arg(long)]
    new: bool,
    /// Skip header generation
    #[arg(long)]
    no_header: bool,
    /// Systemd unit name prefix for pods
    #[arg(long, default_value = "pod", hide = true)]
    pod_prefix: String,
    /// Similar to wants, but declares stronger requirement dependencies
    #[arg(long)]
    requires: Vec<String>,
    /// Systemd restart-policy (default "on-failure")
    #[arg(long)]
    restart_policy: Option<String>,
    /// Systemd restart-sec
    #[arg(long)]
    restart_sec: Option<u64>,
    /// Systemd unit name separator between name/id and prefix
    #[arg(long, default_value = "-")]
    separator: String,
    /// Start timeout override
    #[arg(long)]
    start_timeout: Option<u64>,
    /// Stop timeout override (default 10)
    #[arg(long, alias = "time", short_alias = 't')]
    stop_timeout: Option<u64>,
    /// Make it a template file and use %i and %I specifiers
    #[arg(long)]
    template: bool,
    /// Add (weak) requirement dependencies to the generated unit file
    #[arg(long)]
    wants: Vec<String>,
    containers: Vec<String>,
}

/// Prints it, or writes it into the folder that this is run in.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.containers.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.containers.len());
    };
    if let Some(other) = args.format.as_deref().filter(|format| !["", "json"].contains(format)) {
        bail!("unknown --format argument: {other}");
    }
    if let Some(policy) = args.restart_policy.as_deref().filter(|policy| !POLICIES.contains(policy)) {
        bail!("{policy} is not a valid restart policy");
    }
    output::error(&format!(
        "\nDEPRECATED command:\nIt is recommended to use Quadlets for running containers and pods under systemd.\n\nPlease refer to podman-systemd.unit(5) for details; `{} generate quadlet {name}` prints one.\n",
        invocation.program
    ));
    let containers = invocation.engine().containers();
    let id = containers.resolve(name).await.map_err(|error| match error {
        Error::NoSuchContainer(name) => anyhow!(
            "{name} does not refer to a container or pod: no pod with name or ID {name} found: no such pod: no container with name or ID {name:?} found: no such container"
        ),
        error => error.into(),
    })?;
    let record = containers.inspect(&id).await?.summary.record;
    let mut frame = frame(&args, &record, invocation)?;
    let runs =
        if args.new || args.template { make(&args, &record, &mut frame)? } else { start(&args, &record, invocation)? };
    print(&args, &frame.name, &frame.file(), &frame.text(&runs))
}

/// What the service says whatever it runs.
fn frame(args: &Args, record: &container::Record, invocation: &Invocation) -> Result<Frame> {
    let called = if args.name { record.name.to_string() } else { record.id.to_string() };
    let name = match args.container_prefix.as_str() {
        "" => called,
        prefix => format!("{prefix}{}{called}", args.separator),
    };
    let title = invocation.program[..1].to_uppercase() + &invocation.program[1..];
    let header = if args.no_header {
        Vec::new()
    } else {
        vec![format!("autogenerated by Haulout {}", env!("CARGO_PKG_VERSION")), time::minute(time::now())]
    };
    Ok(Frame {
        name,
        template: args.template,
        title,
        header,
        manual: format!("{}-generate-systemd", invocation.program),
        folder: invocation.engine().paths().runtime.display().to_string(),
        dependencies: [&args.wants, &args.after, &args.requires].map(|units| split(units)),
        environment: args.env.iter().filter_map(|text| variable(text).transpose()).collect::<Result<_>>()?,
        restart: args.restart_policy.clone().unwrap_or_else(|| "on-failure".to_owned()),
        tries: None,
        restart_sec: args.restart_sec,
        start_timeout: args.start_timeout,
        stop_timeout: args.stop_timeout.or(record.options.stop_timeout).unwrap_or(STOP_TIMEOUT),
    })
}

/// `a,b` and `c` as one list.
fn split(lists: &[String]) -> Vec<String> {
    lists.iter().flat_map(|list| list.split(',')).filter(|unit| !unit.is_empty()).map(str::to_owned).collect()
}

/// `NAME=VALUE`; of a name alone what it has here, if anything.
fn variable(text: &str) -> Result<Option<String>> {
    match text.split_once('=') {
        Some(("", _)) => bail!("parsing environment variables: invalid variable: {text:?}"),
        Some(_) => Ok(Some(text.to_owned())),
        None => Ok(std::env::var(text).ok().map(|value| format!("{text}={value}"))),
    }
}

fn start(args: &Args, record: &container::Record, invocation: &Invocation) -> Result<Runs> {
    let (policy, _) = rows::restart(record.options.restart);
    if policy != "no" {
        output::warning(&format!(
            "Container {} has restart policy {policy:?} which can lead to issues on shutdown: consider recreating the container without a restart policy and use systemd's restart mechanism instead",
            record.id
        ));
    }
    let engine = invocation.engine();
    let paths = engine.paths();
    let pid_file = record.options.conmon_pidfile.clone().unwrap_or_else(|| paths.conmon_pidfile(&record.id));
    let container = if args.name { record.name.to_string() } else { record.id.to_string() };
    let program = [vec![program()?], paths.as_words()].concat();
    Ok(Runs::Start { program, container, pid_file: pid_file.display().to_string() })
}

fn make(args: &Args, record: &container::Record, frame: &mut Frame) -> Result<Runs> {
    let command = &record.options.create_command;
    if command.is_empty() {
        bail!(
            "cannot use --new on container {}: no create command found: only works on containers created directly with podman but not via REST API",
            record.id
        );
    }
    let program = vec![program()?];
    let known = quadlet_from_run::flags()?;
    let made = remade(&program, command, &known, args.template, &frame.name).with_context(|| {
        format!("reading the command that made container {}: {}", record.name, shell_words::join(command))
    })?;
    if let (None, Some(policy)) = (&args.restart_policy, made.restart) {
        let (policy, tries) = policy.split_once(':').unwrap_or((&policy, ""));
        policy.clone_into(&mut frame.restart);
        if policy == "unless-stopped" {
            "always".clone_into(&mut frame.restart);
        }
        frame.tries = tries.parse().ok();
    }
    "%t/haulout".clone_into(&mut frame.folder);
    let folder = record.options.create_folder.as_deref().filter(|_| made.relative);
    Ok(Runs::Make { program, command: made.words, folder: folder.map(|folder| folder.display().to_string()) })
}

/// The command line that is installed.
fn program() -> Result<String> {
    let path = runtime::command_line().context("finding the installed haulout")?;
    Ok(path.display().to_string())
}

fn print(args: &Args, name: &str, file: &str, text: &str) -> Result<u8> {
    let shown = if args.files {
        let path = std::env::current_dir().context("finding the folder that this runs in")?.join(file);
        write(&path, text)?;
        path.display().to_string()
    } else {
        text.trim_end_matches('\n').to_owned()
    };
    if args.format.as_deref() == Some("json") {
        // The text with its last line's end, as a file has it.
        let value = if args.files { Value::from(shown) } else { Value::from(text) };
        output::line(&escape_html(&print_json(&json!({ name: value }), " ")))?;
    } else {
        output::line(&shown)?;
    }
    Ok(0)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| anyhow!("open {}: {}", path.display(), os_words(&error)))
}
