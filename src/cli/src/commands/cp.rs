// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout cp`.

use std::os::fd::AsFd as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use haulout_engine::Error;
use haulout_engine::container::Containers;
use haulout_engine::container::copy::{CopyOptions, End};

use crate::exit::words;
use crate::invocation::Invocation;
use crate::{output, terminal};

/// What comes after the verb.
pub const USAGE: &str = "[options] [CONTAINER:]SRC_PATH [CONTAINER:]DEST_PATH";

/// Copy files/folders between a container and the local filesystem
///
/// Copy the contents of the source to the destination. The containers can be either running or stopped, and the source a file or
/// a directory. `-` as the source is a tar archive from standard input, as the destination one to standard output.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Chown copied files to the primary uid/gid of the destination container
    #[arg(short, long, default_value_t = true)]
    archive: bool,
    /// Allow to overwrite directories with non-directories and vice versa
    #[arg(long)]
    overwrite: bool,
    /// Not used: a tar archive is one by its contents
    #[arg(long, hide = true)]
    extract: bool,
    /// Not used: nothing is paused
    #[arg(long, hide = true, default_value_t = true)]
    pause: bool,
    words: Vec<String>,
}

/// Copies.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [source, destination] = args.words.as_slice() else {
        bail!("accepts 2 arg(s), received {}", args.words.len());
    };
    let (from, to) = (part(source), part(destination));
    if from.0.is_none() && to.0.is_none() {
        bail!("name or ID cannot be empty");
    }
    if from.1.is_empty() || to.1.is_empty() {
        bail!("invalid arguments {source:?}, {destination:?}: you must specify paths");
    }
    let containers = invocation.engine().containers();
    let from = match from {
        (None, "-") => End::Tar(std::io::stdin().as_fd().try_clone_to_owned().context("passing on standard input")?),
        other => end(&containers, other).await?,
    };
    let to = match to {
        (None, "-") => {
            if terminal::is_output() {
                bail!("refusing to write a tar archive to a terminal: redirect the output");
            }
            End::Tar(std::io::stdout().as_fd().try_clone_to_owned().context("passing on standard output")?)
        }
        other => end(&containers, other).await?,
    };
    let options = CopyOptions { archive: args.archive, overwrite: args.overwrite };
    let to_stdout = matches!(to, End::Tar(_));
    let copied = containers.copy(from, to, options).await;
    if copied.is_err() && to_stdout {
        output::end_if_nobody_reads();
    }
    match copied {
        Ok(()) => Ok(0),
        // Of a tree it says which file, and that may not be where one looks for it.
        Err(error) => {
            let error = anyhow::Error::from(error);
            match words(&error).strip_prefix("copying ") {
                Some(file) => bail!("copying {source} to {destination}: {file}"),
                None => Err(error),
            }
        }
    }
}

/// `CONTAINER:PATH`, or a path on the host: one that begins with a slash or a dot is never a container's.
fn part(text: &str) -> (Option<&str>, &str) {
    match text.split_once(':') {
        Some((name, path)) if !text.starts_with(['/', '.']) && !name.is_empty() => (Some(name), path),
        _ => (None, text),
    }
}

async fn end(containers: &Containers, (name, path): (Option<&str>, &str)) -> Result<End> {
    let Some(name) = name else {
        let whole = std::path::absolute(Path::new(path)).with_context(|| format!("finding {path}"))?;
        // What `absolute` takes away: that the path says itself that it is a folder.
        let whole = if path.ends_with('/') { whole.join("") } else { whole };
        return Ok(End::Host(whole, path.to_owned()));
    };
    match containers.resolve(name).await {
        Ok(id) => Ok(End::Container(id, name.to_owned(), path.to_owned())),
        Err(Error::NoSuchContainer(_)) => bail!("container {name:?} does not exist"),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_says_where_it_is_is_no_containers() {
        assert_eq!(part("one:/f"), (Some("one"), "/f"));
        assert_eq!(part("./a:b"), (None, "./a:b"));
        assert_eq!(part("/a:b"), (None, "/a:b"));
        assert_eq!(part("f"), (None, "f"));
        assert_eq!(part("one:"), (Some("one"), ""));
    }
}
