// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout secret create`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt as _;

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::secret::{Existing, Making, TOO_LONG};

use super::volume_create::pairs;
use crate::exit::os_words;
use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] NAME FILE|-";

/// Create a new secret
///
/// Create a secret. Input can be a path to a file or "-" (read from stdin). Secret drivers "file" (default), "pass", and "shell" are available.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Specify secret driver
    #[arg(short, long)]
    driver: Option<String>,
    /// Specify driver specific options
    #[arg(long, value_name = "stringToString", value_delimiter = ',')]
    driver_opts: Vec<String>,
    /// Read secret data from environment variable
    #[arg(long)]
    env: bool,
    /// If a secret with the same name exists, do nothing
    #[arg(long)]
    ignore: bool,
    /// Specify labels on the secret
    #[arg(short, long)]
    label: Vec<String>,
    /// If a secret with the same name exists, replace it
    #[arg(long)]
    replace: bool,
    words: Vec<String>,
}

/// Makes one and prints its id.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name, source] = args.words.as_slice() else {
        bail!("accepts 2 arg(s), received {}", args.words.len());
    };
    if args.ignore && args.replace {
        bail!("--ignore and --replace cannot be used together");
    }
    let options = args.driver_opts.iter().filter(|text| !text.is_empty()).map(|text| match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => {
            Err(anyhow!("invalid argument {text:?} for \"--driver-opts\" flag: {text} must be formatted as key=value"))
        }
    });
    let making = Making {
        driver: args.driver,
        options: options.collect::<Result<BTreeMap<_, _>>>()?,
        labels: pairs("labels", "label", &args.label)?,
        existing: match (args.replace, args.ignore) {
            (true, _) => Existing::Replace,
            (_, true) => Existing::Ignore,
            _ => Existing::Refuse,
        },
    };
    let data = if args.env {
        let value = std::env::var_os(source);
        value
            .ok_or_else(|| anyhow!("cannot create store secret data: environment variable {source} is not set"))?
            .into_vec()
    } else if source == "-" {
        read(io::stdin()).context("reading the secret from standard input")?
    } else {
        let file = File::open(source).map_err(|error| anyhow!("open {source}: {}", os_words(&error)))?;
        read(file).map_err(|error| anyhow!("read {source}: {}", os_words(&error)))?
    };
    let record = invocation.engine().secrets().create(name, data, making).await?;
    output::line(&record.id)?;
    Ok(0)
}

/// Not more than shows that it is too much.
fn read(from: impl Read) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    from.take(TOO_LONG as u64).read_to_end(&mut data)?;
    Ok(data)
}
