// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout volume create`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] [NAME]";

/// Create a new volume
///
/// If using the default driver, "local", the volume will be created on the host in the volumes directory under container storage.
/// With the driver "image" it begins with the files of an image that is in local storage (--opt image=NAME).
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Specify volume driver name
    #[arg(short, long, default_value = "local")]
    driver: String,
    /// Don't fail if volume already exists
    #[arg(long)]
    ignore: bool,
    /// Set metadata for a volume
    #[arg(short, long)]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long)]
    opt: Vec<String>,
    names: Vec<String>,
}

/// Makes one and prints its name.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.names.len() > 1 {
        bail!("accepts at most 1 arg(s), received {}", args.names.len());
    }
    let name = args.names.first().filter(|name| !name.is_empty()).cloned();
    let (labels, options) = (pairs("labels", "label", &args.label)?, pairs("options", "option", &args.opt)?);
    let volumes = invocation.engine().volumes();
    let record = match args.driver.as_str() {
        "" | "local" => volumes.create(name, labels, options, args.ignore).await?,
        "image" => volumes.create_from_image(name, labels, image(&options)?, args.ignore).await?,
        driver => bail!(
            "volume {} uses volume plugin {driver} but it could not be retrieved: no volume plugin with name {driver} available: required plugin missing",
            name.unwrap_or_default()
        ),
    };
    output::line(&record.name)?;
    Ok(0)
}

/// The one option of the driver `image`.
fn image(options: &BTreeMap<String, String>) -> Result<&str> {
    if let Some(key) = options.keys().find(|key| *key != "image") {
        bail!("invalid mount option {key} for driver 'image': invalid argument");
    }
    let image = options.get("image").filter(|image| !image.is_empty());
    image
        .map(String::as_str)
        .context("must provide an image name when creating a volume with the image driver: invalid argument")
}

/// `KEY=VALUE`, each.
pub fn pairs(what: &str, one: &str, texts: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |text: &String| match text.split_once('=').unwrap_or((text, "")) {
        ("", _) => bail!("unable to process {what}: invalid {one} format: {text:?}"),
        (key, value) => Ok((key.to_owned(), value.to_owned())),
    };
    texts.iter().map(pair).collect()
}
