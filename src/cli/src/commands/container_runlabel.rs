// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout container runlabel`: a command that an image's label says how to run it by.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::container::RemoveOptions;
use haulout_engine::image::PullOptions;
use haulout_engine::{Engine, Error};

use super::pull;
use crate::exit::os_words;
use crate::invocation::Invocation;
use crate::output;
use crate::registry::{Access, PolicyFlag};

/// What comes after the verb.
pub const USAGE: &str = "[options] LABEL IMAGE [ARG...]";

/// Execute the command described by an image label
///
/// Executes a command as described by a container image label. Use it with images that you trust only: the command is run on the host.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    policy: PolicyFlag,
    /// Preview the command that the label would run
    #[arg(long)]
    display: bool,
    /// Assign a name to the container
    #[arg(short, long)]
    name: Option<String>,
    /// Suppress output information when installing images
    #[arg(short, long)]
    quiet: bool,
    /// Replace existing container with a new one from the image
    #[arg(long)]
    replace: bool,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Runs the command of the label, and ends as it does.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [label, image, more @ ..] = args.words.as_slice() else {
        bail!("requires at least 2 arg(s), only received {}", args.words.len());
    };
    let engine = invocation.engine();
    let details = match engine.images().inspect(image).await {
        Err(Error::NoSuchImage(_)) => {
            let how = PullOptions { policy: args.policy.file()?, ..args.access.options()? };
            pull::one(&engine, image, how, args.quiet).await?;
            engine.images().inspect(image).await?
        }
        found => found?,
    };
    let text = details.summary.labels.get(label).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| anyhow!("cannot find the value of label: {label} in image: {image}"))?;
    let full = details.summary.names.first().cloned().unwrap_or_else(|| image.clone());
    let name = args.name.clone().unwrap_or_else(|| base(&full));
    let place = std::env::current_dir().context("finding the working folder")?.display().to_string();
    let words = shell_words::split(text).map_err(|error| anyhow!("label {label} of image {image}: {error}"))?;
    let known = [("IMAGE", full.as_str()), ("NAME", name.as_str()), ("PWD", place.as_str())];
    let mut words: Vec<String> = words.iter().map(|word| filled(word, &known)).collect();
    words.extend(more.iter().cloned());
    if args.display {
        output::line(&format!("command: {}", words.join(" ")))?;
        return Ok(0);
    }
    if args.replace {
        replace(&engine, &name).await?;
    }
    start(&words, invocation.program)
}

/// The command: what it calls `podman` is this program, as what Podman calls so is itself.
fn start(words: &[String], program: &str) -> Result<u8> {
    let Some((first, rest)) = words.split_first() else { bail!("the label is empty") };
    let is_own = matches!(first.rsplit('/').next(), Some("podman" | "docker"));
    let own = std::env::current_exe().ok().filter(|_| is_own || first == program);
    let mut command = own.map_or_else(|| Command::new(first), Command::new);
    match command.args(rest).status() {
        // A shell's status of a command that was killed.
        Ok(status) => {
            let number = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
            Ok(u8::try_from(number).unwrap_or(u8::MAX))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("`{} ` failed: exec: {first:?}: executable file not found in $PATH", words.join(" "))
        }
        Err(error) => bail!("`{}` failed: fork/exec {first}: {}", words.join(" "), os_words(&error)),
    }
}

/// A word of the label: `NAME`, `$NAME`, `${NAME}` and `KEY=NAME` become what they stand for; what else has a dollar is the environment's.
fn filled(word: &str, known: &[(&str, &str)]) -> String {
    let value = |name: &str| known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let variable = |text: &str| {
        let name =
            text.strip_prefix("${").and_then(|text| text.strip_suffix('}')).or_else(|| text.strip_prefix('$'))?;
        value(name).or_else(|| std::env::var(name).ok())
    };
    if let Some(found) = value(word).or_else(|| variable(word)) {
        return found;
    }
    match word.split_once('=') {
        Some((key, text)) => match value(text).or_else(|| variable(text)) {
            Some(found) => format!("{key}={found}"),
            None => word.to_owned(),
        },
        None => word.to_owned(),
    }
}

/// An image's name without its registry, its folders and its tag.
fn base(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split(['@', ':']).next().unwrap_or(last).to_owned()
}

/// Removes the container of that name, if there is one.
async fn replace(engine: &Engine, name: &str) -> Result<()> {
    let containers = engine.containers();
    match containers.resolve(name).await {
        Ok(id) => Ok(containers.remove(&id, RemoveOptions { force: true, volumes: true, timeout: None }).await?),
        Err(Error::NoSuchContainer(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_stand_for_something_are_found_however_they_are_written() {
        let known = [("IMAGE", "i"), ("NAME", "n")];
        for (word, expected) in [
            ("IMAGE", "i"),
            ("$IMAGE", "i"),
            ("${NAME}", "n"),
            ("X=IMAGE", "X=i"),
            ("--name=$NAME", "--name=n"),
            ("IMAGES", "IMAGES"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(filled(word, &known), expected, "{word}");
        }
        assert_eq!((base("localhost:5000/a/b:tag"), base("b@sha256:x")), ("b".to_owned(), "b".to_owned()));
    }
}
