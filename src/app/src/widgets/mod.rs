// SPDX-License-Identifier: GPL-3.0-or-later
//! Small pieces that several pages show.

pub mod confirm;
pub mod copy;
pub mod dialog_header;
pub mod fact;
pub mod failure;
pub mod fields;
pub mod focus;
pub mod icon_button;
pub mod offer;
pub mod own_page;
pub mod source_text;
pub mod status;
pub mod switch;
