// SPDX-License-Identifier: GPL-3.0-or-later
//! Small pieces that several pages show.

pub mod confirm;
pub mod copy;
pub mod failure;
pub mod focus;
pub mod status;
