// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The flags that `create` and `run` share.

use std::path::PathBuf;

/// The flags that `create` and `run` share, by name.
#[derive(clap::Args, Debug, Default)]
#[command(about = None, long_about = None)]
pub struct Flags {
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_delimiter = ',')]
    pub add_host: Vec<String>,
    /// Add annotations to container (key=value)
    #[arg(long)]
    pub annotation: Vec<String>,
    /// Use ARCH instead of the architecture of the machine for choosing images
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_delimiter = ',')]
    pub attach: Vec<String>,
    /// Path of the authentication file
    #[arg(long)]
    pub authfile: Option<PathBuf>,
    /// Add capabilities to the container
    #[arg(long, value_delimiter = ',')]
    pub cap_add: Vec<String>,
    /// Drop capabilities from the container
    #[arg(long, value_delimiter = ',')]
    pub cap_drop: Vec<String>,
    /// Control container cgroup configuration ("enabled"|"disabled"|"no-conmon"|"split")
    #[arg(long, default_value = "enabled")]
    pub cgroups: String,
    /// Write the container ID to the file
    #[arg(long)]
    pub cidfile: Option<String>,
    /// Number of CPUs. The default is 0.000 which means no limit
    #[arg(long)]
    pub cpus: Option<f64>,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long)]
    pub entrypoint: Option<String>,
    /// Set environment variables in container
    #[arg(short, long)]
    pub env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long)]
    pub env_file: Vec<String>,
    /// Use all current host environment variables in container
    #[arg(long)]
    pub env_host: bool,
    /// GID map to use for the user namespace
    #[arg(long, value_delimiter = ',')]
    pub gidmap: Vec<String>,
    /// Set container hostname
    #[arg(short = 'h', long)]
    pub hostname: Option<String>,
    /// Tells podman how to handle the builtin image volumes ("bind"|"tmpfs"|"ignore")
    #[arg(long)]
    pub image_volume: Option<String>,
    /// Run an init binary inside the container that forwards signals and reaps processes
    #[arg(long)]
    pub init: bool,
    /// Make STDIN available to the contained process
    #[arg(short, long)]
    pub interactive: bool,
    /// Set metadata on container
    #[arg(short, long)]
    pub label: Vec<String>,
    /// Read in a line delimited file of labels
    #[arg(long)]
    pub label_file: Vec<String>,
    /// Logging driver for the container ("k8s-file"|"journald"|"none")
    #[arg(long)]
    pub log_driver: Option<String>,
    /// Logging driver options
    #[arg(long)]
    pub log_opt: Vec<String>,
    /// Memory limit (format: <number>[<unit>], where unit = b (bytes), k (kibibytes), m (mebibytes), or g (gibibytes))
    #[arg(short, long, value_name = "<number>[<unit>]")]
    pub memory: Option<String>,
    /// Attach a filesystem mount to the container
    #[arg(long)]
    pub mount: Vec<String>,
    /// Assign a name to the container
    #[arg(long)]
    pub name: Option<String>,
    /// Connect a container to a network ("pasta[:OPTIONS]"|"none"|"host")
    #[arg(long, alias = "net")]
    pub network: Vec<String>,
    /// Use OS instead of the running OS for choosing images
    #[arg(long, value_name = "OS")]
    pub os: Option<String>,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long)]
    pub pids_limit: Option<i64>,
    /// Specify the platform for selecting the image. (Conflicts with --arch and --os)
    #[arg(long)]
    pub platform: Option<String>,
    /// Give extended privileges to container
    #[arg(long)]
    pub privileged: bool,
    /// Publish a container's port, or a range of ports, to the host
    #[arg(short, long, value_delimiter = ',')]
    pub publish: Vec<String>,
    /// Pull image policy ("always"|"missing"|"never"|"newer")
    #[arg(long, default_value = "missing")]
    pub pull: String,
    /// Suppress output information when pulling images
    #[arg(short, long)]
    pub quiet: bool,
    /// Make containers root filesystem read-only
    #[arg(long)]
    pub read_only: bool,
    /// If a container with the same name exists, replace it
    #[arg(long)]
    pub replace: bool,
    /// Restart policy to apply when a container exits ("always"|"no"|"never"|"on-failure"|"unless-stopped")
    #[arg(long)]
    pub restart: Option<String>,
    /// Remove container and any anonymous unnamed volume associated with the container after exit
    #[arg(long)]
    pub rm: bool,
    /// Security Options
    #[arg(long)]
    pub security_opt: Vec<String>,
    /// Signal to stop a container. Default is SIGTERM
    #[arg(long)]
    pub stop_signal: Option<String>,
    /// Timeout (in seconds) that containers stopped by user command have to exit. If exceeded, the container will be forcibly stopped via SIGKILL.
    #[arg(long)]
    pub stop_timeout: Option<u64>,
    /// Name of range listed in /etc/subgid for use in user namespace
    #[arg(long)]
    pub subgidname: Option<String>,
    /// Name of range listed in /etc/subuid for use in user namespace
    #[arg(long)]
    pub subuidname: Option<String>,
    /// Maximum length of time a container is allowed to run. The container will be killed automatically after the time expires.
    #[arg(long)]
    pub timeout: Option<u64>,
    /// Require HTTPS and verify certificates when contacting registries for pulling images
    #[arg(long)]
    pub tls_verify: Option<bool>,
    /// Mount a temporary filesystem (tmpfs) into a container
    #[arg(long, value_name = "tmpfs")]
    pub tmpfs: Vec<String>,
    /// Allocate a pseudo-TTY for container
    #[arg(short, long)]
    pub tty: bool,
    /// UID map to use for the user namespace
    #[arg(long, value_delimiter = ',')]
    pub uidmap: Vec<String>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long)]
    pub user: Option<String>,
    /// User namespace to use ("host"|"keep-id[:OPTIONS]"|"nomap"|"auto[:OPTIONS]"|"container:NAME")
    #[arg(long)]
    pub userns: Option<String>,
    /// Use VARIANT instead of the running architecture variant for choosing images
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,
    /// Bind mount a volume into the container
    #[arg(short, long)]
    pub volume: Vec<String>,
    /// Mount volumes from the specified container(s)
    #[arg(long)]
    pub volumes_from: Vec<String>,
    /// Working directory inside the container
    #[arg(short, long)]
    pub workdir: Option<String>,
    /// Block IO weight (relative weight) accepts a weight value between 10 and 1000.
    #[arg(long)]
    pub blkio_weight: Option<String>,
    /// cgroup namespace to use
    #[arg(long)]
    pub cgroupns: Option<String>,
    /// Limit the CPU CFS (Completely Fair Scheduler) period
    #[arg(long)]
    pub cpu_period: Option<u64>,
    /// Limit the CPU CFS (Completely Fair Scheduler) quota
    #[arg(long)]
    pub cpu_quota: Option<i64>,
    /// CPU shares (relative weight)
    #[arg(short, long)]
    pub cpu_shares: Option<u64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long)]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes (MEMs) in which to allow execution (0-3, 0,1). Only effective on NUMA systems.
    #[arg(long)]
    pub cpuset_mems: Option<String>,
    /// Add a host device to the container
    #[arg(long)]
    pub device: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_delimiter = ',')]
    pub dns: Vec<String>,
    /// Set custom DNS options
    #[arg(long, alias = "dns-opt", value_delimiter = ',')]
    pub dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_delimiter = ',')]
    pub dns_search: Vec<String>,
    /// Preprocess environment variables from image before injecting them into the container
    #[arg(long)]
    pub env_merge: Vec<String>,
    /// Expose a port or a range of ports
    #[arg(long, value_delimiter = ',')]
    pub expose: Vec<String>,
    /// Add additional groups to the primary container process. 'keep-groups' allows container processes to use supplementary groups.
    #[arg(long, value_delimiter = ',')]
    pub group_add: Vec<String>,
    /// Base file to create the /etc/hosts file inside the container
    #[arg(long)]
    pub hosts_file: Option<String>,
    /// Set proxy environment variables in the container based on the host proxy vars
    #[arg(long, default_value_t = true)]
    pub http_proxy: bool,
    /// IPC namespace to use
    #[arg(long)]
    pub ipc: Option<String>,
    /// Soft limit on memory (format: <number>[<unit>], where unit = b (bytes), k (kibibytes), m (mebibytes), or g (gibibytes))
    #[arg(long)]
    pub memory_reservation: Option<String>,
    /// Swap limit equal to memory plus swap: '-1' to enable unlimited swap
    #[arg(long)]
    pub memory_swap: Option<String>,
    /// Do not create /etc/hostname within the container, instead use the version from the image
    #[arg(long)]
    pub no_hostname: bool,
    /// Do not create /etc/hosts within the container, instead use the version from the image
    #[arg(long)]
    pub no_hosts: bool,
    /// Tune the host's OOM preferences (-1000 to 1000)
    #[arg(long)]
    pub oom_score_adj: Option<i64>,
    /// PID namespace to use
    #[arg(long)]
    pub pid: Option<String>,
    /// Publish all exposed ports to random ports on the host interface
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// When running --read-only containers mount read-write tmpfs on /dev, /dev/shm, /run, /tmp and /var/tmp
    #[arg(long, default_value_t = true)]
    pub read_only_tmpfs: bool,
    /// Add secret to container
    #[arg(long)]
    pub secret: Vec<String>,
    /// Size of /dev/shm (format: <number>[<unit>], where unit = b (bytes), k (kibibytes), m (mebibytes), or g (gibibytes))
    #[arg(long)]
    pub shm_size: Option<String>,
    /// Sysctl options
    #[arg(long)]
    pub sysctl: Vec<String>,
    /// Set timezone in container
    #[arg(long)]
    pub tz: Option<String>,
    /// Ulimit options
    #[arg(long)]
    pub ulimit: Vec<String>,
    /// Set umask in container
    #[arg(long)]
    pub umask: Option<String>,
    /// Unset environment default variables in container
    #[arg(long)]
    pub unsetenv: Vec<String>,
    /// Unset all default environment variables in container
    #[arg(long)]
    pub unsetenv_all: bool,
    /// UTS namespace to use
    #[arg(long)]
    pub uts: Option<String>,
}
