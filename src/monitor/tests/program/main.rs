// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The true program over the true OCI runtime, with a root filesystem of busybox.
//!
//! Needs crun, a static busybox and user namespaces: all of them are on the test host (tests/host), and where one is missing
//! every test says so and passes. On the test host a missing one is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]
#![allow(missing_docs, reason = "nobody uses them from outside")]

mod cgroup;
mod container;
mod exec;
mod life;
mod network;
mod output;
mod stop;
mod terminal;
