// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The flags that `create` and `run` share.

use super::cgroup::CgroupFlags;
use super::device::DeviceFlags;
use super::environment::EnvironmentFlags;
use super::health::HealthFlags;
use super::image::ImageFlags;
use super::labels::LabelFlags;
use super::limits::{LimitFlags, ProcessLimitFlags};
use super::log::LogFlags;
use super::mount::MountFlags;
use super::namespaces::NamespaceFlags;
use super::network::NetworkFlags;
use super::security::SecurityFlags;
use super::service::ServiceFlags;
use super::user::UserFlags;

/// The flags that `create` and `run` share, by name.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct Flags {
    #[command(flatten)]
    pub cgroup: CgroupFlags,
    #[command(flatten)]
    pub device: DeviceFlags,
    #[command(flatten)]
    pub environment: EnvironmentFlags,
    #[command(flatten)]
    pub health: HealthFlags,
    #[command(flatten)]
    pub image: ImageFlags,
    #[command(flatten)]
    pub labels: LabelFlags,
    #[command(flatten)]
    pub limits: LimitFlags,
    #[command(flatten)]
    pub process_limits: ProcessLimitFlags,
    #[command(flatten)]
    pub log: LogFlags,
    #[command(flatten)]
    pub mount: MountFlags,
    #[command(flatten)]
    pub namespaces: NamespaceFlags,
    #[command(flatten)]
    pub network: NetworkFlags,
    #[command(flatten)]
    pub security: SecurityFlags,
    #[command(flatten)]
    pub service: ServiceFlags,
    #[command(flatten)]
    pub user: UserFlags,
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_delimiter = ',')]
    pub attach: Vec<String>,
    /// Write the container ID to the file
    #[arg(long)]
    pub cidfile: Option<String>,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long)]
    pub entrypoint: Option<String>,
    /// Run an init binary inside the container that forwards signals and reaps processes
    #[arg(long)]
    pub init: bool,
    /// Path to the container-init binary
    #[arg(long)]
    pub init_path: Option<String>,
    /// Make STDIN available to the contained process
    #[arg(short, long)]
    pub interactive: bool,
    /// Assign a name to the container
    #[arg(long)]
    pub name: Option<String>,
    /// Configure execution domain using personality (e.g., LINUX/LINUX32)
    #[arg(long)]
    pub personality: Option<String>,
    /// If a container with the same name exists, replace it
    #[arg(long)]
    pub replace: bool,
    /// Restart policy to apply when a container exits ("always"|"no"|"never"|"on-failure"|"unless-stopped")
    #[arg(long)]
    pub restart: Option<String>,
    /// Remove container and any anonymous unnamed volume associated with the container after exit
    #[arg(long)]
    pub rm: bool,
    /// Signal to stop a container. Default is SIGTERM
    #[arg(long)]
    pub stop_signal: Option<String>,
    /// Timeout (in seconds) that containers stopped by user command have to exit. If exceeded, the container will be forcibly stopped via SIGKILL.
    #[arg(long)]
    pub stop_timeout: Option<u64>,
    /// Maximum length of time a container is allowed to run. The container will be killed automatically after the time expires.
    #[arg(long)]
    pub timeout: Option<u64>,
    /// Allocate a pseudo-TTY for container
    #[arg(short, long)]
    pub tty: bool,
    /// Set timezone in container
    #[arg(long)]
    pub tz: Option<String>,
    /// Working directory inside the container
    #[arg(short, long)]
    pub workdir: Option<String>,
}
