// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout container clone`.

use anyhow::{Result, anyhow, bail};
use haulout_engine::container::{ContainerName, RemoveOptions};
use haulout_engine::image::PullOptions;
use haulout_engine::{Engine, Error};

use super::{create, pull};
use crate::invocation::Invocation;
use crate::options::LimitFlags;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] CONTAINER NAME IMAGE";

/// Clone an existing container
///
/// Creates a copy of an existing container: another one that is made of the same options, perhaps with other limits or of another image.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Destroy the original container
    #[arg(long)]
    destroy: bool,
    /// Force the existing container to be destroyed
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    limits: LimitFlags,
    /// Assign a name to the container
    #[arg(long)]
    name: Option<String>,
    /// Run the new container
    #[arg(long)]
    run: bool,
    words: Vec<String>,
}

/// Makes the copy, and prints its id.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let (container, name, image) = match args.words.as_slice() {
        [container] => (container, None, None),
        [container, name] => (container, Some(name), None),
        [container, name, image] => (container, Some(name), Some(image)),
        words => bail!("accepts between 1 and 3 arg(s), received {}", words.len()),
    };
    if args.force && !args.destroy {
        bail!("cannot set --force without --destroy: invalid argument");
    }
    let limits = args.limits.limits()?;
    let engine = invocation.engine();
    let containers = engine.containers();
    let original = containers.resolve(container).await?;
    let record = containers.inspect(&original).await?.summary.record;
    let made_from = record.image_id();
    let mut options = record.options;
    options.name = Some(match name.or(args.name.as_ref()) {
        Some(name) => {
            name.parse().map_err(|_| anyhow!("names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"))?
        }
        None => free_name(&engine, record.name.as_str()).await?,
    });
    options.image = match image {
        Some(image) => {
            options.rootfs = None;
            pulled(&engine, image).await?
        }
        // Its name may be another image's by now.
        None if engine.images().resolve(&record.image_name).await.is_ok_and(|id| Some(id) == record.image) => {
            record.image_name
        }
        None => made_from,
    };
    options.limits = options.limits.changed(limits);
    let id = create::make_and_tell(invocation, &engine, &containers, options).await?;
    if args.destroy {
        let remove = RemoveOptions { force: args.force, ..RemoveOptions::default() };
        if let Err(error) = containers.remove(&original, remove).await {
            containers.remove(&id, RemoveOptions { volumes: true, ..RemoveOptions::default() }).await?;
            return Err(error.into());
        }
    }
    if args.run {
        containers.start(&id).await?;
    }
    create::warn(&engine);
    output::line(&id.to_string())?;
    Ok(0)
}

/// `NAME-clone`, `NAME-clone1` …: the first that nobody has.
async fn free_name(engine: &Engine, name: &str) -> Result<ContainerName> {
    let taken = engine.containers().list().await?;
    let numbers = std::iter::once(String::new()).chain((1_u32..).map(|number| number.to_string()));
    let names = numbers.map(|number| format!("{name}-clone{number}"));
    let mut free = names.filter(|name| taken.iter().all(|other| other.record.name.as_str() != name));
    Ok(free.next().unwrap_or_default().parse()?)
}

/// The name of an image that is here, pulled when it was not.
async fn pulled(engine: &Engine, image: &str) -> Result<String> {
    match engine.images().resolve(image).await {
        Ok(_) => Ok(image.to_owned()),
        Err(Error::NoSuchImage(_)) => Ok(pull::one(engine, image, PullOptions::default(), false).await?.1),
        Err(error) => Err(error.into()),
    }
}
