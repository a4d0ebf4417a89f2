// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout image sign`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::exit::os_words;
use crate::invocation::Invocation;
use crate::registry::Access;

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [IMAGE...]";

/// Sign an image
///
/// Create a signature file that can be used later to verify the image.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Sign all the manifests of the multi-architecture image
    #[arg(short, long)]
    all: bool,
    /// Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override
    #[arg(long)]
    authfile: Option<PathBuf>,
    /// Pathname of a directory containing TLS certificates and keys
    #[arg(long, value_name = "Pathname")]
    cert_dir: Option<PathBuf>,
    /// Define an alternate directory to store signatures
    #[arg(short, long)]
    directory: Option<PathBuf>,
    /// Name of the signing key
    #[arg(long)]
    sign_by: Option<String>,
    images: Vec<String>,
}

/// Signs what the registries have by those names.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if args.images.is_empty() {
        bail!("requires at least 1 arg(s), only received 0");
    }
    let Some(by) = args.sign_by.filter(|by| !by.is_empty()) else { bail!("no identity provided") };
    let directory = args.directory.filter(|path| !path.as_os_str().is_empty());
    if let Some(path) = &directory {
        std::fs::metadata(path).map_err(|error| anyhow!("faccessat {}: {}", path.display(), os_words(&error)))?;
    }
    let access = Access { authfile: args.authfile, cert_dir: args.cert_dir, ..Access::default() };
    let options = access.options()?;
    let images = invocation.engine().images();
    for image in &args.images {
        let name = match image.split_once(':') {
            Some(("docker", name)) => name.strip_prefix("//"),
            Some((transport, _)) => {
                bail!("parsing image name: Invalid image name {image:?}, unknown transport {transport:?}")
            }
            None => {
                bail!("parsing image name: Invalid image name {image:?}, expected colon-separated transport:reference")
            }
        };
        let Some(name) = name else {
            bail!("parsing image name: Invalid image name {image:?}: docker: image reference does not start with //");
        };
        images
            .sign(name, &by, directory.clone(), args.all, &options)
            .await
            .with_context(|| format!("signing {image}"))?;
    }
    Ok(0)
}
