// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout start`.

use anyhow::{Result, bail};
use haulout_engine::container::Condition;
use haulout_engine::container::descriptors::Passed;
use haulout_engine::{Engine, Error};

use super::create;
use super::run::exit_status;
use crate::conversation::{End, Wiring, converse};
use crate::exit::{Failure, Failures};
use crate::invocation::Invocation;
use crate::names::{Selection, Target};
use crate::terminal::{self, DetachKeys};
use crate::{descriptors, output};

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER [CONTAINER...]";

/// Start one or more containers
///
/// Starts one or more containers. The container name or ID can be used.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Start all containers regardless of their state or configuration
    #[arg(long)]
    all: bool,
    /// Attach container's STDOUT and STDERR
    #[arg(short, long)]
    attach: bool,
    /// Select the key sequence for detaching a container. Format is a single character [a-Z] or a comma separated sequence of `ctrl-<value>`, where `<value>` is one of: `a-z`, `@`, `^`, `[`, `\`, `]`, `^` or `_`
    #[arg(long, value_name = "[a-Z]", default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    /// Filter output based on conditions given
    #[arg(short, long)]
    filter: Vec<String>,
    /// Make STDIN available to the contained process
    #[arg(short, long)]
    interactive: bool,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// Proxy received signals to the process (default true if attaching, false otherwise)
    #[arg(long)]
    sig_proxy: Option<bool>,
    containers: Vec<String>,
}

/// Starts every container; with `--attach` the one there is, in the foreground.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.containers.is_empty() && !args.all && !args.latest && args.filter.is_empty() {
        bail!("start requires at least one argument");
    }
    if args.attach && args.containers.len() > 1 {
        bail!("you cannot start and attach multiple containers at once");
    }
    if args.sig_proxy == Some(true) && !args.attach {
        bail!("you cannot use sig-proxy without --attach: invalid argument");
    }
    if args.all && !args.containers.is_empty() {
        bail!("either start all containers or the container(s) provided in the arguments");
    }
    let engine = invocation.engine();
    let selection = Selection {
        names: &args.containers,
        all: args.all,
        latest: args.latest,
        // Who is named is started, whatever the filters say.
        filters: if args.containers.is_empty() { &args.filter } else { &[] },
        ..Selection::default()
    };
    let passed = descriptors::of_service()?;
    let targets = selection.resolve(&engine, |summary| !summary.status.is_started()).await?;
    if args.attach
        && let [target] = targets.as_slice()
    {
        return Box::pin(foreground(&args, &engine, target, passed)).await;
    }
    let mut failures = Vec::new();
    for target in &targets {
        match engine.containers().passing(passed.clone()).start(&target.id).await {
            Ok(()) => output::line(&target.given)?,
            Err(error) => failures.push(refused(error, &format!("{:?}", target.id.to_string()))),
        }
        create::warn(&engine);
    }
    Failures::of(failures)?;
    Ok(0)
}

/// Why it did not start. As with Podman the status is not the one that `run` would end with.
fn refused(error: Error, id: &str) -> anyhow::Error {
    match error {
        Error::Start { message, .. } => {
            let begin = if message.starts_with("unable to start") {
                String::new()
            } else {
                format!("unable to start container {id}: ")
            };
            Failure { status: 125, message: begin + &message }.into()
        }
        error => error.into(),
    }
}

async fn foreground(args: &Args, engine: &Engine, target: &Target, passed: Passed) -> Result<u8> {
    let detach = DetachKeys::parse(&args.detach_keys)?;
    let containers = engine.containers().passing(passed);
    let details = containers.inspect(&target.id).await?;
    let options = details.summary.record.options;
    // Which only attaches to one that runs.
    let session = containers.start_attached(&target.id, if options.terminal { terminal::size() } else { None }).await;
    let session = session.map_err(|error| refused(error, &target.id.to_string()))?;
    create::warn(engine);
    let wiring = Wiring {
        stdin: args.interactive && options.interactive && !options.log.driver.passes_through(),
        stdout: true,
        stderr: true,
        terminal: options.terminal,
        detach,
        proxy: args.sig_proxy.unwrap_or(true).then(|| (containers.clone(), target.id)),
    };
    match converse(session, wiring).await? {
        End::Detached => Ok(0),
        End::Exited(status) => {
            let status = match status {
                Some(status) => status,
                None => containers.wait(&target.id, Condition::Stopped).await.unwrap_or(-1),
            };
            Ok(exit_status(status))
        }
    }
}
