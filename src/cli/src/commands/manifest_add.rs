// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout manifest add`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use haulout_engine::image::{ArtifactOptions, MemberChange};

use crate::invocation::Invocation;
use crate::options::annotations;
use crate::output;
use crate::registry::Access;

/// What comes after the verb.
pub const USAGE: &str = "[options] LIST IMAGE [IMAGE...]";

/// Add images to a manifest list or image index
///
/// Adds an image to a manifest list or image index.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    access: Access,
    /// add all of the list's images if the image is a list
    #[arg(long)]
    all: bool,
    /// set an annotation for the specified image
    #[arg(long)]
    annotation: Vec<String>,
    /// override the architecture of the specified image
    #[arg(long)]
    arch: Option<String>,
    /// add all arguments as artifact files rather than as images
    #[arg(long)]
    artifact: bool,
    /// artifact configuration file
    #[arg(long)]
    artifact_config: Option<PathBuf>,
    /// artifact configuration media type
    #[arg(long)]
    artifact_config_type: Option<String>,
    /// refrain from setting "org.opencontainers.image.title" annotations on "layers"
    #[arg(long)]
    artifact_exclude_titles: bool,
    /// artifact layer media type
    #[arg(long)]
    artifact_layer_type: Option<String>,
    /// artifact subject reference
    #[arg(long)]
    artifact_subject: Option<String>,
    /// override the artifactType value
    #[arg(long)]
    artifact_type: Option<String>,
    /// override the features of the specified image
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// override the OS of the specified image
    #[arg(long)]
    os: Option<String>,
    /// override the OS version of the specified image
    #[arg(long)]
    os_version: Option<String>,
    /// override the Variant of the specified image
    #[arg(long)]
    variant: Option<String>,
    words: Vec<String>,
}

/// Adds the images and prints the list's id.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [list, images @ ..] = args.words.as_slice() else {
        bail!("requires at least 2 arg(s), only received 0");
    };
    if images.is_empty() {
        bail!("requires at least 2 arg(s), only received 1");
    }
    if !args.artifact {
        let only_with_it = [
            ("type", args.artifact_type.is_some()),
            ("config", args.artifact_config.is_some()),
            ("config-type", args.artifact_config_type.is_some()),
            ("layer-type", args.artifact_layer_type.is_some()),
            ("subject", args.artifact_subject.is_some()),
            ("exclude-titles", args.artifact_exclude_titles),
        ];
        if let Some((flag, _)) = only_with_it.iter().find(|(_, said)| *said) {
            bail!("--artifact-{flag} requires --artifact");
        }
    }
    let options = args.access.options()?;
    let change = MemberChange {
        architecture: args.arch,
        os: args.os,
        os_version: args.os_version,
        os_features: Vec::new(),
        variant: args.variant,
        features: args.features,
        annotations: annotations(&args.annotation)?,
    };
    let lists = invocation.engine().manifest_lists();
    if args.artifact {
        let artifact = ArtifactOptions {
            artifact_type: args.artifact_type,
            config: args.artifact_config.filter(|path| !path.as_os_str().is_empty()),
            config_type: args.artifact_config_type,
            layer_type: args.artifact_layer_type,
            exclude_titles: args.artifact_exclude_titles,
        };
        if let Some(subject) = &args.artifact_subject {
            lists.describe(list, BTreeMap::new(), Some(subject), &options).await?;
        }
        let files: Vec<PathBuf> = images.iter().map(PathBuf::from).collect();
        output::line(&lists.add_files(list, &files, artifact, change).await?.id)?;
        return Ok(0);
    }
    let mut id = lists.get(list).await?.id;
    for image in images {
        id = lists.add(list, image, args.all, change.clone(), &options).await?.id;
    }
    output::line(&id)?;
    Ok(0)
}
