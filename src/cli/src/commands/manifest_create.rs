// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout manifest create`.

use anyhow::{Result, bail};
use haulout_engine::image::MemberChange;

use crate::invocation::Invocation;
use crate::options::annotations;
use crate::output;
use crate::registry::Access;

/// What comes after the verb.
pub const USAGE: &str = "[options] LIST [IMAGE...]";

/// Create manifest list or image index
///
/// Creates manifest lists or image indexes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// add all of the lists' images if the images to add are lists
    #[arg(long)]
    all: bool,
    /// modify an existing list if one with the desired name already exists
    #[arg(short, long)]
    amend: bool,
    /// set annotations on the new list
    #[arg(long)]
    annotation: Vec<String>,
    /// require HTTPS and verify certificates when accessing the registry
    #[arg(long)]
    tls_verify: Option<bool>,
    words: Vec<String>,
}

/// Makes the list and adds the images; without all of them there is no list.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name, images @ ..] = args.words.as_slice() else {
        bail!("requires at least 1 arg(s), only received 0");
    };
    let lists = invocation.engine().manifest_lists();
    let options = Access { tls_verify: args.tls_verify, ..Access::default() }.options()?;
    let there = lists.get(name).await.is_ok();
    let list = lists.create(name, args.amend, annotations(&args.annotation)?).await?;
    for image in images {
        if let Err(error) = lists.add(&list.name, image, args.all, MemberChange::default(), &options).await {
            if !there {
                lists.remove(&list.name).await?;
            }
            return Err(error.into());
        }
    }
    output::line(&list.id)?;
    Ok(0)
}
