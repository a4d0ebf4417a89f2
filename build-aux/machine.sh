# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=sh disable=SC2034
#
# What the commands of this folder know about the machine. Sourced by them, from the checkout's own folder.
#
# There are two places to build the app in and to run all of it. An ordinary user is taken to sit at a desktop, which has
# what requirements.txt lists or is told what to install. Root is not: root gets a test host (tests/host), and only what
# builds the static programs is installed on the machine itself.

if [ "$(id -u)" -eq 0 ]; then
    place=host
    need=build
else
    place=desktop
    need='build desktop'
fi
target=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR="$target"

# Says what is being done, on standard error: standard output belongs to what is run.
say() {
    printf '==> %s\n' "$*" >&2
}

# What builds need, before they need it: packages, the crates' sources (the host has no network), the host.
prepare() {
    # shellcheck disable=SC2086 # one word or two
    build-aux/setup $need
    triple=$(rustc -vV | sed -n 's/^host: //p')
    cargo fetch --quiet --locked
    if [ "$place" = host ]; then
        mkdir -p "$target"
        tests/host/up
    fi
}

# Runs a command where everything is: with the built programs first on the PATH, as the person logged in there.
there() {
    if [ "$place" = host ]; then
        tests/host/run "$@"
    else
        PATH="${HAULOUT_BIN:-$target/haulout/debug}:$PATH" "$@"
    fi
}

# Cargo for what is linked statically: the engine, the monitor and the command line. With an explicit target, so that
# the flag is for them and not for the procedural macros, which cannot be static.
static_cargo() { # SUBCOMMAND [ARG...]
    variable=CARGO_TARGET_$(echo "$triple" | tr 'a-z-' 'A-Z_')_RUSTFLAGS
    env CARGO_BUILD_TARGET="$triple" "$variable=-C target-feature=+crt-static" cargo "$@"
}

# Cargo for the app, where GTK is new enough; in the host as root, who owns the target folder.
app_cargo() { # SUBCOMMAND [ARG...]
    if [ "$place" = host ]; then
        CARGO_TARGET_DIR="$target/app" tests/host/run --root cargo "$@"
    else
        CARGO_TARGET_DIR="$target/app" cargo "$@"
    fi
}
