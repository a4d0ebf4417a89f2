// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rootless container engine of Haulout.

pub mod container;
pub mod digest;
