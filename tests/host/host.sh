# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=sh disable=SC2034
#
# Where a test host has its things. Sourced by the commands beside it, which set $here before.

checkout=$(dirname "$(dirname "$here")")
name=${HAULOUT_HOST:-default}
cache=${XDG_CACHE_HOME:-/var/cache}/haulout/host
state=$cache/$name              # this host's own: what it has written, its log, its pid
pid_file=$state/pid

# The cgroup2 mount: beside the v1 hierarchies on a hybrid machine, else the only one.
if [ -e /sys/fs/cgroup/unified/cgroup.procs ]; then
    cgroups=/sys/fs/cgroup/unified
else
    cgroups=/sys/fs/cgroup
fi
cgroup=$cgroups/haulout-$name

# Whether the host runs: sets $pid, its systemd as this machine counts.
is_up() {
    [ -s "$pid_file" ] || return 1
    read -r pid <"$pid_file"
    # The pid may have gone to somebody else since: ours sits in our cgroup.
    grep -q "^0::.*/haulout-$name/" "/proc/$pid/cgroup" 2>/dev/null
}

# The cache is root's, and so are the namespaces.
need_root() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "test host: needs root: sudo $0" >&2
        exit 1
    fi
}
