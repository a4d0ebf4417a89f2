// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Containers.

pub mod id;
pub mod options;

pub use id::{ContainerId, ContainerName};
pub use options::Options;
