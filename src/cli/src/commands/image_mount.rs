// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout image mount`.

use anyhow::{Result, bail};
use haulout_engine::userns;

use crate::format::{data, table};
use crate::invocation::Invocation;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] [IMAGE...]";

/// Mount an image's root filesystem
///
/// Mounts the specified images' root file systems, to be read, in a location which can be accessed from the host, and returns it.
/// As an ordinary user it is done inside of the unshare command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Mount all images
    #[arg(short, long)]
    all: bool,
    /// Print the mounted images in specified format (json)
    #[arg(long)]
    format: Option<String>,
    images: Vec<String>,
}

/// Mounts the images and prints where they are; without any it says which are mounted.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    // Elsewhere nobody could look at what is mounted.
    if !userns::is_root() {
        bail!(
            "cannot run command \"{} image mount\" in rootless mode, must execute `{0} unshare` first",
            invocation.program
        );
    }
    if args.all && !args.images.is_empty() {
        bail!("when using the --all switch, you may not pass any image names or IDs");
    }
    let json = match args.format.as_deref() {
        None | Some("") => false,
        Some("json") => true,
        Some(other) => bail!("invalid mount format {other:?}"),
    };
    let images = invocation.engine().images();
    if let [image] = args.images.as_slice() {
        output::line(&images.mount(image).await?.display().to_string())?;
        return Ok(0);
    }
    let names = if args.all {
        images.list().await?.into_iter().map(|image| image.id.hex()).collect()
    } else {
        args.images.clone()
    };
    for name in &names {
        images.mount(name).await?;
    }
    let mut rows = Vec::new();
    let mut entries = Vec::new();
    for (image, place) in images.mounted().await? {
        let place = place.display().to_string();
        let name = image.names.first().cloned().unwrap_or_else(|| image.id.hex()[..12].to_owned());
        entries.push(serde_json::json!({
            "id": image.id.hex(), "Names": [image.digest], "Repositories": image.names, "mountpoint": place,
        }));
        rows.push(vec![name, place]);
    }
    if json {
        output::line(&data::print_json(&serde_json::Value::Array(entries), " "))?;
    } else {
        output::print(&table::table(None, &rows))?;
    }
    Ok(0)
}
