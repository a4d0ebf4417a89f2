// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout manifest annotate`.

use anyhow::{Result, bail};
use haulout_engine::image::{MemberChange, PullOptions};

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
    /// set the subject to which the image index refers
    #[arg(long)]
    subject: Option<String>,
    /// override the Variant of the specified image or artifact
    #[arg(long)]
    variant: Option<String>,
    words: Vec<String>,
}

/// Changes the entry, or the list itself, and prints the list's id.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let lists = invocation.engine().manifest_lists();
    let list = match (args.words.as_slice(), args.index) {
        ([list], true) => {
            args.about_the_list()?;
            let options = PullOptions::default();
            lists.describe(list, annotations(&args.annotation)?, args.subject.as_deref(), &options).await?
        }
        ([_, which], true) => {
            bail!("did not expect image or artifact name {which:?} when modifying the entire index")
        }
        ([_], false) => bail!("expected an instance digest, image name, or artifact name"),
        ([_, _], false) if args.subject.is_some() => {
            bail!("setting subject for a manifest list requires no instance digest")
        }
        ([list, which], false) => {
            let change = MemberChange {
                annotations: annotations(&args.annotation)?,
                architecture: args.arch,
                os: args.os,
                os_version: args.os_version,
                os_features: args.os_features,
                variant: args.variant,
                features: args.features,
            };
            lists.annotate(list, which, change).await?
        }
        (words, _) => bail!("accepts between 1 and 2 arg(s), received {}", words.len()),
    };
    output::line(&list.id)?;
    Ok(0)
}

impl Args {
    /// What is said of one of the entries cannot be said of the list.
    fn about_the_list(&self) -> Result<()> {
        let of_an_item = [
            ("architecture", self.arch.is_some()),
            ("OS", self.os.is_some()),
            ("OS version", self.os_version.is_some()),
            ("OS features", !self.os_features.is_empty()),
            ("variant", self.variant.is_some()),
            ("features", !self.features.is_empty()),
        ];
        match of_an_item.iter().find(|(_, said)| *said) {
            Some((what, _)) => bail!("setting {what} on an item in a manifest list requires an instance digest"),
            None => Ok(()),
        }
    }
}
