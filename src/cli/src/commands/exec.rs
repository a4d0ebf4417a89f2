// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout exec`.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::{Context as _, Result, bail};
use haulout_engine::Error;
use haulout_engine::container::Exec;

use super::run::exit_status;
use crate::conversation::{End, Wiring, converse};
use crate::descriptors::DescriptorFlags;
use crate::exit::{ENGINE, Failure, words};
use crate::invocation::Invocation;
use crate::options::Env;
use crate::terminal::{self, DetachKeys};
use crate::{names, output};

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER COMMAND [ARG...]";

/// Run a process in a running container
///
/// Execute the specified command inside a running container.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Read the ID of the target container from the specified file
    #[arg(long, value_name = "FILE")]
    cidfile: Option<String>,
    /// Run the exec session in detached mode (backgrounded)
    #[arg(short, long)]
    detach: bool,
    /// Select the key sequence for detaching a container. Format is a single character [a-Z] or ctrl-<value> where <value> is one of: a-z, @, ^, [, \, ] or _
    #[arg(long, default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    /// Set environment variables
    #[arg(short, long)]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long)]
    env_file: Vec<String>,
    /// Make STDIN available to the contained process
    #[arg(short, long)]
    interactive: bool,
    /// Act on the latest container that was made
    #[arg(short, long)]
    latest: bool,
    #[command(flatten)]
    descriptors: DescriptorFlags,
    /// Give the process extended Linux capabilities inside the container. The default is false
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-TTY. The default is false
    #[arg(short, long)]
    tty: bool,
    /// Sets the username or UID used and optionally the groupname or GID for the specified command
    #[arg(short, long)]
    user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long)]
    workdir: Option<String>,
    #[arg(trailing_var_arg = true)]
    words: Vec<String>,
}

/// What podman ends with when a command could not even be asked for.
const NOT_ASKED: u8 = 255;

/// Runs a command in a running container; answers what it ended with.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.latest && args.cidfile.is_some() {
        bail!("--latest and --cidfile cannot be used together");
    }
    let (name, command) = if args.latest || args.cidfile.is_some() {
        (None, &args.words[..])
    } else {
        (args.words.first(), args.words.get(1..).unwrap_or_default())
    };
    let mut env = Env::default();
    args.env_file.iter().try_for_each(|path| env.add_file(path))?;
    args.env.iter().try_for_each(|text| env.add(text))?;
    let containers = invocation.engine().containers();
    let missing = "exec requires the name or ID of a container or the --latest flag";
    let id = match &args.cidfile {
        Some(path) => names::of_file(&containers, path).await?,
        None => names::one(&containers, name, args.latest, missing).await?,
    };
    if command.is_empty() {
        bail!("must provide a non-empty command to start an exec session: invalid argument");
    }
    let detach = DetachKeys::parse(&args.detach_keys)
        .map_err(|error| Failure { status: NOT_ASKED, message: error.to_string() })?;
    let exec = Exec {
        command: command.to_vec(),
        env: env.into_inner(),
        user: args.user.filter(|user| !user.is_empty()),
        workdir: args.workdir.filter(|path| !path.is_empty()),
        terminal: args.tty,
        size: if args.tty { terminal::size() } else { None },
        privileged: args.privileged,
        interactive: args.interactive,
        stdio: if args.tty { None } else { Some(stdio(args.interactive && !args.detach, args.detach)?) },
        detach: args.detach,
    };
    let containers = containers.passing(args.descriptors.passed()?);
    let session = containers.exec(&id, exec).await.map_err(|error| match error {
        // Whatever it is, as podman has it: nobody waits for the command's own status.
        error if args.detach => Failure { status: ENGINE, message: words(&error.into()) }.into(),
        Error::WrongState(message) => Failure { status: NOT_ASKED, message }.into(),
        error => anyhow::Error::from(error),
    })?;
    if args.detach {
        // Its own id, as podman prints one; nothing else knows it.
        let mut session = session;
        while let Some(step) = session.next().await {
            step?;
        }
        output::line(&haulout_engine::container::ContainerId::random()?.to_string())?;
        return Ok(0);
    }
    let wiring = Wiring {
        stdin: args.tty && args.interactive,
        stdout: true,
        stderr: true,
        terminal: args.tty,
        detach,
        proxy: None,
    };
    match converse(session, wiring).await? {
        End::Detached => Ok(0),
        End::Exited(status) => Ok(exit_status(status.unwrap_or(-1))),
    }
}

/// The command's own standard input, output and error: this process's, or nothing.
fn stdio(input: bool, detached: bool) -> Result<[OwnedFd; 3]> {
    let null =
        || File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from).context("opening /dev/null");
    let own = |descriptor: std::os::fd::BorrowedFd<'_>| {
        descriptor.try_clone_to_owned().context("passing on a standard stream")
    };
    Ok([
        if input { own(std::io::stdin().as_fd())? } else { null()? },
        if detached { null()? } else { own(std::io::stdout().as_fd())? },
        if detached { null()? } else { own(std::io::stderr().as_fd())? },
    ])
}
