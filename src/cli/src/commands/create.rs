// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout create`, and what `run` does first.

use std::fs;
use std::io::{ErrorKind, Write as _};

use anyhow::{Context as _, Result, anyhow, bail};
use haulout_engine::container::options::{Network, PullPolicy};
use haulout_engine::container::{ContainerId, Containers, Options, RemoveOptions};
use haulout_engine::image::platform::Platform;
use haulout_engine::image::{Location, PullOptions};
use haulout_engine::{Engine, Error};

use super::{inspect, pull};
use crate::exit::os_words;
use crate::format::data::escape_html;
use crate::invocation::Invocation;
use crate::options::Flags;
use crate::{output, registry};

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE [COMMAND [ARG...]]";

/// Create but do not start a container
///
/// Creates a new container from the given image or storage and prepares it for running the specified command. The container ID
/// is then printed to stdout. You can then start it at any time with the start command.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
    #[arg(trailing_var_arg = true)]
    words: Vec<String>,
}

/// Makes a container and prints its id.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let engine = invocation.engine();
    let options = args.flags.options(&args.words, &invocation.argv)?;
    let id = Box::pin(make(invocation, &engine, &engine.containers(), &args.flags, options)).await?;
    warn(&engine);
    output::line(&id.to_string())?;
    Ok(0)
}

/// Says what the machine lacks.
pub fn warn(engine: &Engine) {
    for warning in engine.take_warnings() {
        output::warning(&warning);
    }
}

/// Makes a container of `options`, having pulled its image if it has to be.
pub async fn make(
    invocation: &Invocation,
    engine: &Engine,
    containers: &Containers,
    flags: &Flags,
    mut options: Options,
) -> Result<ContainerId> {
    if !options.publish.is_empty() && matches!(options.network, Network::None | Network::Host | Network::Container(_)) {
        output::error(
            "Port mappings have been discarded as one of the Host, Container, Pod, and None network modes are in use\n",
        );
        options.publish.clear();
    }
    for words in flags.limits.unsupported() {
        output::error(&format!("{words}\n"));
    }
    if flags.process_limits.kernel_memory.is_some() {
        output::warning("The --kernel-memory flag is no longer supported. This flag is a noop.");
    }
    let id_file = flags.cidfile.as_deref().filter(|path| !path.is_empty()).map(IdFile::open).transpose()?;
    if options.rootfs.is_none() {
        options.image = image(engine, flags, &options).await?;
    }
    if flags.replace
        && let Some(name) = &options.name
        && let Some(other) = by_name(engine, name.as_str()).await?
    {
        containers
            .remove(&other, RemoveOptions { force: true, volumes: true, timeout: None })
            .await
            .with_context(|| format!("replacing container {name}"))?;
    }
    let id = make_and_tell(invocation, engine, containers, options).await?;
    if let Some(file) = id_file {
        file.write(&id)?;
    }
    Ok(id)
}

/// The file of `--cidfile`. Where no container comes of it, it goes if it was not there before.
struct IdFile<'a> {
    path: &'a str,
    file: fs::File,
    /// Whether nothing is in it that somebody wants.
    unfinished: bool,
}

impl<'a> IdFile<'a> {
    fn open(path: &'a str) -> Result<Self> {
        let mut options = fs::OpenOptions::new();
        options.write(true);
        let (file, unfinished) = match options.clone().create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                (options.create(true).truncate(false).open(path), false)
            }
            made => (made, true),
        };
        let file = file.map_err(|error| anyhow!("creating idfile: open {path}: {}", os_words(&error)))?;
        Ok(Self { path, file, unfinished })
    }

    fn write(mut self, id: &ContainerId) -> Result<()> {
        let written = self.file.set_len(0).and_then(|()| (&self.file).write_all(id.to_string().as_bytes()));
        self.unfinished = false;
        written.with_context(|| format!("writing the container's id into {}", self.path))
    }
}

impl Drop for IdFile<'_> {
    fn drop(&mut self) {
        if self.unfinished {
            let _ = fs::remove_file(self.path);
        }
    }
}

/// Makes it, and tells all of it to who listens where containers.conf wants that (`events_container_create_inspect_data`).
pub async fn make_and_tell(
    invocation: &Invocation,
    engine: &Engine,
    containers: &Containers,
    options: Options,
) -> Result<ContainerId> {
    let all = invocation.settings()?.engine.events_container_create_inspect_data == Some(true);
    let made = if all { containers.create_untold(options).await } else { containers.create(options).await };
    let id = made.map_err(|error| match error {
        Error::NameInUse { .. } => anyhow!("{error}, or use --replace to instruct Podman to do so."),
        error => error.into(),
    })?;
    if all {
        let data = inspect::container::data(engine, &id, false).await?;
        containers.tell_created(&id, escape_html(&data.json().to_string())).await?;
    }
    Ok(id)
}

/// The container that has just this name.
async fn by_name(engine: &Engine, name: &str) -> Result<Option<ContainerId>> {
    match engine.containers().resolve(name).await {
        Ok(id) => {
            let found = engine.containers().list().await?;
            Ok(found.iter().any(|other| other.record.id == id && other.record.name.as_str() == name).then_some(id))
        }
        Err(Error::NoSuchContainer(_) | Error::AmbiguousContainer(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The name of the image to use, which is here now.
async fn image(engine: &Engine, flags: &Flags, options: &Options) -> Result<String> {
    let platform = flags.image.platform()?;
    let how = PullOptions {
        platform: platform.clone(),
        tls_verify: flags.image.tls_verify,
        auth_file: registry::filled(flags.image.authfile.as_ref()).cloned(),
        policy: flags.image.policy.file()?,
        ..PullOptions::default()
    };
    if let Some(location) = Location::parse(&options.image)? {
        // Whatever the policy: it is about registries.
        let loaded = pull::from(engine, location, &how, flags.image.quiet).await?;
        let Some((id, name)) = loaded.into_iter().next() else { bail!("there is no image in {}", options.image) };
        return Ok(if name == id.to_string() { id.hex() } else { name });
    }
    let named = options.image.strip_prefix("docker://").unwrap_or(&options.image).to_owned();
    let here = match engine.images().resolve(&named).await {
        Ok(_) => match &platform {
            Some(platform) => is_for(engine, &named, platform).await?,
            None => true,
        },
        Err(Error::NoSuchImage(_)) => false,
        Err(error) => return Err(error.into()),
    };
    let wanted = match options.pull {
        PullPolicy::Always => true,
        PullPolicy::Missing => !here,
        PullPolicy::Newer => !here || engine.images().has_newer(&named, &how).await?,
        PullPolicy::Never if !here => return Err(Error::NoSuchImage(named).into()),
        PullPolicy::Never => false,
    };
    if !wanted {
        return Ok(named);
    }
    let retry = flags.image.retries()?;
    match pull::asked(engine, &named, &how, &retry, flags.image.quiet).await {
        Ok((_, name)) => Ok(name),
        // What is here is good enough when no newer one can be had.
        Err(_) if here && options.pull == PullPolicy::Newer => Ok(named),
        Err(error) => Err(error),
    }
}

/// Whether the image that is here is for `os[/arch[/variant]]`: a variant counts where one is asked for.
async fn is_for(engine: &Engine, image: &str, wanted: &str) -> Result<bool> {
    let config = engine.images().inspect(image).await?.config;
    let names_variant = wanted.matches('/').count() == 2;
    let wanted: Platform = wanted.parse().map_err(|error: String| anyhow!(error))?;
    Ok(config.os().to_string() == wanted.os
        && config.architecture().to_string() == wanted.arch
        && (!names_variant || wanted.variant.is_none() || *config.variant() == wanted.variant))
}
