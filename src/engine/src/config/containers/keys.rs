// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of containers.conf(5) of which something is made here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::config::table::{LayOver as _, List, Rest, table};

table! {
    /// `[containers]`: what a container has when nobody says otherwise.
    Containers {
        /// Annotations of every container, `key=value`.
        annotations: List,
        /// The `AppArmor` profile.
        apparmor_profile: Option<String>,
        /// What `/etc/hosts` begins with: a file, `none`, or `image`.
        base_hosts_file: Option<String>,
        /// Files of the cgroup and what is written to them, `file=value`.
        cgroup_conf: List,
        /// `enabled`, `disabled` or `no-conmon`.
        cgroups: Option<String>,
        /// As `--cgroupns` has it.
        cgroupns: Option<String>,
        /// Whether a container's name is its host name.
        container_name_as_hostname: Option<bool>,
        /// The capabilities, `CAP_` before each or not.
        default_capabilities: List,
        /// `key=value`.
        default_sysctls: List,
        /// `name=soft:hard`.
        default_ulimits: List,
        /// As `--device` has them.
        devices: List,
        /// Options of `resolv.conf`.
        dns_options: List,
        /// Search domains of `resolv.conf`.
        dns_searches: List,
        /// Name servers of `resolv.conf`.
        dns_servers: List,
        /// `KEY=value`.
        env: List,
        /// Whether `--env-host` is meant when it is not said.
        env_host: Option<bool>,
        /// What `host.containers.internal` is.
        host_containers_internal_ip: Option<String>,
        /// Whether the proxy variables of whoever starts it are its own too.
        http_proxy: Option<bool>,
        /// Whether `--init` is meant when it is not said.
        init: Option<bool>,
        /// The program of `--init`.
        init_path: Option<PathBuf>,
        /// `device`, or nothing. Of networks that there are none of yet.
        interface_name: Option<String>,
        /// As `--ipc` has it.
        ipcns: Option<String>,
        /// Whether a container has a keyring of its own.
        keyring: Option<bool>,
        /// Whether `SELinux` separates containers.
        label: Option<bool>,
        /// Whether it keeps the user's own user and role.
        label_users: Option<bool>,
        /// `k8s-file`, `journald`, `none`.
        log_driver: Option<String>,
        /// Bytes; none when negative.
        log_size_max: Option<i64>,
        /// The tag of lines in the journal.
        log_tag: Option<String>,
        /// As `--mount` has them.
        mounts: List,
        /// As `--network` has it.
        netns: Option<String>,
        /// Whether `/etc/hosts` is left to the image.
        no_hosts: Option<bool>,
        /// From -1000 to 1000.
        oom_score_adj: Option<i32>,
        /// As `--pid` has it.
        pidns: Option<String>,
        /// How many processes; none when 0 or less.
        pids_limit: Option<i64>,
        /// Whether a volume is filled from the image when the container is made, not when it is started.
        prepare_volume_on_create: Option<bool>,
        /// Whether `--privileged` is meant when it is not said.
        privileged: Option<bool>,
        /// Whether `--read-only` is meant when it is not said.
        read_only: Option<bool>,
        /// A file, or nothing for our own.
        seccomp_profile: Option<String>,
        /// The size of `/dev/shm`, as people write it: `65536k`.
        shm_size: Option<String>,
        /// The time zone, or `local`.
        tz: Option<String>,
        /// Four octal digits.
        umask: Option<String>,
        /// As `--userns` has it.
        userns: Option<String>,
        /// How many ids `--userns=auto` gives; Podman 5 reads it no more.
        userns_size: Option<i64>,
        /// As `--uts` has it.
        utsns: Option<String>,
        /// As `-v` has them.
        volumes: List,
    } also &[]
}

table! {
    /// `[engine]`: how containers are run.
    Engine {
        /// Compressions that a manifest list's push adds.
        add_compression: List,
        /// `systemd` or `cgroupfs`.
        cgroup_manager: Option<String>,
        /// What layers are compressed by when they are pushed.
        compression_format: Option<String>,
        /// How much.
        compression_level: Option<i64>,
        /// The keys that detach from a container.
        detach_keys: Option<String>,
        /// `KEY=value` of the engine itself, unless they are set.
        env: List,
        /// Whether the event of a container's making tells all of it.
        events_container_create_inspect_data: Option<bool>,
        /// When the log of events is begun anew; a size as people write it, 0 for never.
        events_logfile_max_size: Option<String>,
        /// The log of events.
        events_logfile_path: Option<PathBuf>,
        /// `file`, `journald` or `none`.
        events_logger: Option<String>,
        /// Whether health checks are events.
        healthcheck_events: Option<bool>,
        /// Folders in which helper programs are looked for before `PATH`.
        helper_binaries_dir: List,
        /// Folders of files that say what devices with qualified names are.
        cdi_spec_dirs: List,
        /// Folders of hooks (oci-hooks(5)).
        hooks_dir: List,
        /// Where images are put while they are copied.
        image_copy_tmp_dir: Option<String>,
        /// `oci`, `v2s2` or `v2s1`.
        image_default_format: Option<String>,
        /// What a name without a transport is of.
        image_default_transport: Option<String>,
        /// How many layers are fetched at once; 0 for what is good.
        image_parallel_copies: Option<u64>,
        /// `anonymous` (or `bind`), `tmpfs` or `ignore`.
        image_volume_mode: Option<String>,
        /// Whether an archive may have several images.
        multi_image_archive: Option<bool>,
        /// Options of slirp4netns.
        network_cmd_options: List,
        /// slirp4netns.
        network_cmd_path: Option<PathBuf>,
        /// Whether the runtime uses chroot instead of `pivot_root`.
        no_pivot_root: Option<bool>,
        /// `always`, `missing`, `never` or `newer`.
        pull_policy: Option<String>,
        /// How often a pull or push is tried again.
        retry: Option<u64>,
        /// How long after: a duration.
        retry_delay: Option<String>,
        /// The OCI runtime: a name or a path.
        runtime: Option<String>,
        /// Where each OCI runtime may be, in order.
        runtimes: BTreeMap<String, Vec<PathBuf>>,
        /// Another OCI runtime for images of a platform: `os/arch` and its name.
        platform_to_oci_runtime: BTreeMap<String, String>,
        /// Runtimes that can do without a cgroup.
        runtime_supports_nocgroups: List,
        /// Where what survives a reboot is known: the database.
        static_dir: Option<PathBuf>,
        /// Seconds that a container has to stop.
        stop_timeout: Option<u64>,
        /// Where what does not survive a reboot is.
        tmp_dir: Option<PathBuf>,
        /// Where volumes are.
        volume_path: Option<PathBuf>,
        /// Checked and otherwise not used: there is one database.
        database_backend: Option<String>,
        /// Checked and otherwise not used: locks are files.
        lock_type: Option<String>,
        /// Whether another machine's engine is meant.
        remote: Option<bool>,
        /// Not used: there are as many locks as it takes.
        num_locks: Option<u32>,
        /// Not used: the monitor is ours.
        conmon_path: List,
        /// Variables of the monitor's.
        conmon_env_vars: List,
        /// Not used: the monitor ends what an exec session is when it ends.
        exit_command_delay: Option<u64>,
    } also &[
        "active_service", "chown_copied_files", "compat_api_enforce_docker_hub", "compose_providers",
        "compose_warning_logs", "conmonrs_path", "enable_port_reservation", "image_build_format", "infra_command", "infra_image",
        "kube_generate_type", "machine_enabled", "namespace", "network_config_dir", "no_pivot", "pod_exit_policy",
        "podmansh_timeout", "runtime_supports_json", "runtime_supports_kvm", "service_destinations", "service_timeout",
        "volume_plugin_timeout", "volume_plugins",
    ]
}

table! {
    /// `[network]`: how containers reach the network.
    Network {
        /// `pasta`, or `slirp4netns`.
        default_rootless_network_cmd: Option<String>,
        /// `netavark`.
        network_backend: Option<String>,
        /// Further arguments of pasta's.
        pasta_options: List,
    } also &[
        "cni_plugin_dirs", "default_network", "default_subnet", "default_subnet_pools", "dns_bind_port", "firewall_driver",
        "netavark_plugin_dirs", "network_config_dir",
    ]
}

table! {
    /// `[secrets]`: who keeps what secrets hide.
    Secrets {
        /// `file`, `pass` or `shell`.
        driver: Option<String>,
        /// Options of the driver.
        opts: BTreeMap<String, String>,
    } also &[]
}
