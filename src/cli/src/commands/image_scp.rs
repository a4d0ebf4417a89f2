// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout image scp`.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::exit::Failure;
use crate::invocation::Invocation;

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [HOST::]";

/// Securely copy images
///
/// Securely copy an image from one host to another.
/// Between the users of one machine: USER@localhost::IMAGE, as root or by sudo. Other machines are not reached yet: save the image and
/// load it there.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Suppress the output
    #[arg(short, long)]
    quiet: bool,
    words: Vec<String>,
}

/// Whose images.
enum Whose {
    /// Those of who asks.
    Ours,
    /// Those of another user of this machine.
    User(User),
}

struct User {
    name: String,
    uid: u32,
    home: String,
}

/// One end of the way: whose images, and which of them.
struct End {
    whose: Whose,
    image: String,
}

/// Saves the image as its owner and loads it as the other; each does so by a command of its own, with a pipe between them.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let (from, to) = match args.words.as_slice() {
        [from] if from.contains("::") => (End::parse(from)?, End { whose: Whose::Ours, image: String::new() }),
        [from, to] if to.contains("::") => (End::parse(from)?, End::parse(to)?),
        [_] | [_, _] => bail!("must specify a destination: invalid argument"),
        words => bail!("accepts between 1 and 2 arg(s), received {}", words.len()),
    };
    if from.image.is_empty() {
        bail!("must specify an image name: invalid argument");
    }
    if matches!(from.whose, Whose::Ours) {
        invocation.engine().images().resolve(&from.image).await?;
    }
    let mut saving = from.whose.command()?;
    let mut saving = saving
        .args(["save", "--quiet", &from.image])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| cannot_run(&error))?;
    let archive = saving.stdout.take().context("a pipe between the two")?;
    let mut loading = to.whose.command()?;
    loading.arg("load").stdin(archive);
    if args.quiet {
        loading.arg("--quiet");
    }
    let loaded = loading.status().map_err(|error| cannot_run(&error))?;
    let saved = saving.wait().context("waiting for the image to be saved")?;
    if !saved.success() || !loaded.success() {
        // They have said why.
        return Err(Failure { status: crate::exit::ENGINE, message: String::new() }.into());
    }
    if !to.image.is_empty() {
        let tagged =
            to.whose.command()?.args(["tag", &from.image, &to.image]).status().map_err(|error| cannot_run(&error))?;
        if !tagged.success() {
            return Err(Failure { status: crate::exit::ENGINE, message: String::new() }.into());
        }
    }
    Ok(0)
}

impl End {
    fn parse(text: &str) -> Result<Self> {
        let Some((host, image)) = text.split_once("::") else {
            return Ok(Self { whose: Whose::Ours, image: text.to_owned() });
        };
        let Some((user, "localhost")) = host.split_once('@') else {
            bail!(
                "failed to connect: {host:?} is no user of this machine (USER@localhost::), and Haulout does not reach other machines yet: haulout save IMAGE | ssh HOST haulout load"
            );
        };
        let user = User::find(user)?;
        let own = user.uid == rustix::process::geteuid().as_raw();
        Ok(Self { whose: if own { Whose::Ours } else { Whose::User(user) }, image: image.to_owned() })
    }
}

impl User {
    /// By getent(1), which knows more than /etc/passwd.
    fn find(name: &str) -> Result<Self> {
        let unknown = || anyhow!("user: unknown user {name}");
        let output =
            Command::new("getent").args(["passwd", "--", name]).output().map_err(|error| cannot_run(&error))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let fields: Vec<&str> = text.trim_end().split(':').collect();
        let [login, _, uid, _, _, home, ..] = fields.as_slice() else { return Err(unknown()) };
        let uid = uid.parse().map_err(|_| unknown())?;
        Ok(Self { name: (*login).to_owned(), uid, home: (*home).to_owned() })
    }
}

impl Whose {
    /// This program, as that user: root becomes anyone, others ask sudo(8).
    fn command(&self) -> Result<Command> {
        let program = std::env::current_exe().context("looking for haulout itself")?;
        let Self::User(user) = self else { return Ok(Command::new(program)) };
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["--user", &user.name, "--"]);
            command
        } else {
            let mut command = Command::new("sudo");
            command.args(["--user", &user.name, "--"]);
            command
        };
        // A login's environment, with the user's own session if there is one.
        command.args(["env", "-u", "DBUS_SESSION_BUS_ADDRESS", "-u", "XDG_CONFIG_HOME", "-u", "XDG_DATA_HOME"]);
        command.arg(format!("HOME={}", user.home)).arg(format!("XDG_RUNTIME_DIR=/run/user/{}", user.uid));
        command.arg(program).current_dir("/");
        Ok(command)
    }
}

fn cannot_run(error: &std::io::Error) -> anyhow::Error {
    anyhow!("running a program as another user: {}", crate::exit::os_words(error))
}
