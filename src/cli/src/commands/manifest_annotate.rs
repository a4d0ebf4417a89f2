// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout manifest annotate`.

use anyhow::{Result, bail};
use haulout_engine::image::MemberChange;

use crate::invocation::Invocation;
use crate::options::annotations;
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options] LIST IMAGEORARTIFACT";

/// Add or update information about an entry in a manifest list or image index
///
/// Adds or updates information about an entry in a manifest list or image index.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// set an annotation for the specified image or artifact
    #[arg(long)]
    annotation: Vec<String>,
    /// override the architecture of the specified image or artifact
    #[arg(long)]
    arch: Option<String>,
    /// override the features of the specified image or artifact
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// apply --annotation values to the image index itself
    #[arg(long)]
    index: bool,
    /// override the OS of the specified image or artifact
    #[arg(long)]
    os: Option<String>,
    /// override the OS features of the specified image or artifact
    #[arg(long, value_delimiter = ',')]
    os_features: Vec<String>,
    /// override the OS version of the specified image or artifact
    #[arg(long)]
    os_version: Option<String>,
    /// override the Variant of the specified image or artifact
    #[arg(long)]
    variant: Option<String>,
    words: Vec<String>,
}

/// Changes the entry, or the list itself, and prints the list's id.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let (list, which) = match args.words.as_slice() {
        [list] if args.index => (list, None),
        [list, which] if !args.index => (list, Some(which.as_str())),
        words => bail!("accepts {} arg(s), received {}", if args.index { 1 } else { 2 }, words.len()),
    };
    let change = MemberChange {
        architecture: args.arch,
        os: args.os,
        os_version: args.os_version,
        os_features: args.os_features,
        variant: args.variant,
        features: args.features,
        annotations: annotations(&args.annotation)?,
    };
    output::line(&invocation.engine().manifest_lists().annotate(list, which, change).await?.id)?;
    Ok(0)
}
