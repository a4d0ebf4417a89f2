// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout attach`.

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::{Condition, Status};

use super::run::exit_status;
use crate::conversation::{End, Wiring, converse};
use crate::invocation::Invocation;
use crate::names;
use crate::terminal::{self, DetachKeys};

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER";

/// Attach to a running container
///
/// The attach command allows you to attach to a running container using the container's ID or name, either to view its ongoing
/// output or to control it interactively.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Select the key sequence for detaching a container. Format is a single character [a-Z] or a comma separated sequence of `ctrl-<value>`, where `<value>` is one of: `a-z`, `@`, `^`, `[`, `\`, `]`, `^` or `_`
    #[arg(long, value_name = "[a-Z]", default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    /// Do not attach STDIN. The default is false
    #[arg(long)]
    no_stdin: bool,
    /// Proxy received signals to the process
    #[arg(long, default_value_t = true)]
    sig_proxy: bool,
    containers: Vec<String>,
}

/// Connects to the container until it ends or the user detaches.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.containers.len() > 1 {
        bail!("`{}` accepts at most one argument", invocation.path);
    }
    let missing = format!("{:?} requires a name, id, or the \"--latest\" flag", invocation.path);
    let containers = invocation.engine().containers();
    let id = names::one(&containers, args.containers.first(), args.latest, &missing).await?;
    let detach = DetachKeys::parse(&args.detach_keys)?;
    let summary = containers.inspect(&id).await?.summary;
    if !matches!(summary.status, Status::Running(_)) {
        bail!("attaching to container {id}: you can only attach to running containers");
    }
    let driver = summary.record.options.log.driver;
    if driver.passes_through() {
        bail!(
            "attaching to container {id}: this container is using the '{}' log driver, cannot attach: this container is not logging output",
            driver.name()
        );
    }
    let session =
        containers.attach(&id).await.map_err(|error| anyhow!(error).context(format!("attaching to container {id}")))?;
    let options = summary.record.options;
    if options.terminal
        && let Some((columns, rows)) = terminal::size()
    {
        session.input().resize(columns, rows).await;
    }
    let wiring = Wiring {
        stdin: options.interactive && !args.no_stdin,
        stdout: true,
        stderr: true,
        terminal: options.terminal,
        detach,
        proxy: args.sig_proxy.then(|| (containers.clone(), id)),
    };
    match converse(session, wiring).await? {
        End::Detached => Ok(0),
        End::Exited(Some(status)) => Ok(exit_status(status)),
        End::Exited(None) => Ok(exit_status(containers.wait(&id, Condition::Stopped).await.unwrap_or(-1))),
    }
}
