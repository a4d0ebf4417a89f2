// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout run`.

use anyhow::{Result, bail};
use haulout_engine::Engine;
use haulout_engine::container::{Condition, ContainerId, Options, RemoveOptions};

use super::create;
use crate::conversation::{End, Wiring, converse};
use crate::descriptors::DescriptorFlags;
use crate::exit::{Failure, words};
use crate::invocation::Invocation;
use crate::options::Flags;
use crate::output;
use crate::terminal::{self, DetachKeys};

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [COMMAND [ARG...]]";

/// Run a command in a new container
///
/// Runs a command in a new container from the given image
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Run container in background and print container ID
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container. Format is a single character [a-Z] or a comma separated sequence of `ctrl-<value>`, where `<value>` is one of: `a-z`, `@`, `^`, `[`, `\`, `]`, `^` or `_`
    #[arg(long, value_name = "[a-Z]", default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    #[command(flatten)]
    flags: Flags,
    /// add entries to /etc/passwd and /etc/group
    #[arg(long, default_value_t = true)]
    passwd: bool,
    #[command(flatten)]
    descriptors: DescriptorFlags,
    /// Remove image unless used by other containers, implies --rm
    #[arg(long)]
    rmi: bool,
    /// Proxy received signals to the process
    #[arg(long, default_value_t = true)]
    sig_proxy: bool,
    #[arg(trailing_var_arg = true)]
    words: Vec<String>,
}

impl Args {
    /// What they come to, without doing anything; `argv` is the whole line.
    pub fn options(&self, argv: &[String]) -> Result<Options> {
        self.flags.options(&self.words, argv)
    }
}

/// Makes a container and starts it; in the foreground it answers what the container's process ended with.
pub async fn run(mut args: Args, invocation: &Invocation) -> Result<u8> {
    let engine = invocation.engine();
    args.flags.rm |= args.rmi;
    if args.rmi && args.flags.image.rootfs {
        bail!("autoremoving image is not possible when a rootfs is in use: invalid argument");
    }
    let mut options = args.flags.options(&args.words, &invocation.argv)?;
    options.accounts.untouched = !args.passwd;
    options.remove_image = args.rmi;
    let passed = args.descriptors.passed_with_service()?;
    let streams = Streams::parse(&args.flags.attach)?;
    if options.terminal && options.interactive && !terminal::is_input() {
        output::warning("The input device is not a TTY. The --tty and --interactive flags might not work properly");
    }
    let containers = engine.containers().starting(&options);
    let id = Box::pin(create::make(invocation, &engine, &containers, &args.flags, options.clone())).await?;
    if args.detach {
        let started = engine.containers().passing(passed).start(&id).await;
        create::warn(&engine);
        if let Err(error) = started {
            discard(&engine, &id, &options).await;
            return Err(error.into());
        }
        output::line(&id.to_string())?;
        return Ok(0);
    }
    let detach = DetachKeys::parse(&args.detach_keys);
    let detach = match detach {
        Ok(keys) => keys,
        Err(error) => {
            discard(&engine, &id, &options).await;
            return Err(Failure { status: 126, message: error.to_string() }.into());
        }
    };
    // By the name that it was found by: another name of it stays.
    let image = if args.rmi { Some(engine.containers().inspect(&id).await?.summary.record.image_name) } else { None };
    let size = if options.terminal { terminal::size() } else { None };
    let session = match engine.containers().passing(passed).start_attached(&id, size).await {
        Ok(session) => session,
        Err(error) => {
            create::warn(&engine);
            discard(&engine, &id, &options).await;
            return Err(error.into());
        }
    };
    create::warn(&engine);
    if !streams.stdout && !streams.stderr {
        // Of what it says nothing is seen here: at least which one it is.
        output::line(&id.to_string())?;
    }
    let wiring = Wiring {
        // What it has itself is not read for it.
        stdin: options.interactive && streams.stdin && !options.log.driver.passes_through(),
        stdout: streams.stdout,
        stderr: streams.stderr,
        terminal: options.terminal,
        detach,
        proxy: args.sig_proxy.then(|| (engine.containers(), id)),
    };
    let ended = conclude(&engine, &id, &options, converse(session, wiring).await).await;
    if let (Ok((End::Exited(_), _)), Some(image)) = (&ended, image) {
        remove_image(&engine, &image).await;
    }
    ended.map(|(_, status)| status)
}

/// What the conversation came to, and the status that this process ends with.
async fn conclude(engine: &Engine, id: &ContainerId, options: &Options, end: Result<End>) -> Result<(End, u8)> {
    match end {
        Ok(End::Detached) => Ok((End::Detached, 0)),
        Ok(End::Exited(Some(status))) => Ok((End::Exited(Some(status)), exit_status(status))),
        Ok(End::Exited(None)) => {
            // The monitor went without a word: what is known of the container says the rest.
            let status = engine.containers().wait(id, Condition::Stopped).await.unwrap_or(-1);
            discard(engine, id, options).await;
            Ok((End::Exited(None), exit_status(status)))
        }
        Err(error) => {
            discard(engine, id, options).await;
            Err(match error.downcast::<Failure>() {
                Ok(Failure { status, message }) => {
                    Failure { status, message: format!("attaching to container {id}: {message}") }.into()
                }
                Err(error) => error,
            })
        }
    }
}

/// `--rmi`: removes the image that a container had, unless another one has it too.
async fn remove_image(engine: &Engine, image: &str) {
    if let Err(error) = engine.images().remove(image, false).await {
        output::warning(&format!("removing image {image}: {}", words(&error.into())));
    }
}

/// Removes a `--rm` container that has not ended by itself: whose process could not be started, whose output nobody reads, whose
/// monitor was killed. What went wrong is said already.
async fn discard(engine: &Engine, id: &ContainerId, options: &Options) {
    if options.remove {
        let _ = engine.containers().remove(id, RemoveOptions { force: true, volumes: true, timeout: Some(0) }).await;
    }
}

/// An exit status as this process can have it: one that nobody saw is 255, as -1 is.
pub fn exit_status(status: i32) -> u8 {
    u8::try_from(status.rem_euclid(256)).unwrap_or(u8::MAX)
}

/// `-a`: which streams are connected; all of them when nothing is said.
struct Streams {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Streams {
    fn parse(names: &[String]) -> Result<Self> {
        let every = names.is_empty();
        let mut streams = Self { stdin: true, stdout: every, stderr: every };
        for name in names {
            match name.to_ascii_lowercase().as_str() {
                "stdin" => streams.stdin = true,
                "stdout" => streams.stdout = true,
                "stderr" => streams.stderr = true,
                _ => bail!(
                    "invalid stream {name:?} for --attach - must be one of stdin, stdout, or stderr: invalid argument"
                ),
            }
        }
        Ok(streams)
    }
}
