// SPDX-License-Identifier: GPL-3.0-or-later
//! Packs `resources/` (icons, style) into the one file that the program carries.

use std::path::PathBuf;
use std::process::{Command, exit};

fn main() {
    println!("cargo::rerun-if-changed=resources");
    let Some(out) = std::env::var_os("OUT_DIR").map(PathBuf::from) else {
        println!("cargo::error=OUT_DIR is not set: run this through cargo");
        exit(1);
    };
    let made = Command::new("glib-compile-resources")
        .args(["--sourcedir=resources", "resources/haulout.gresource.xml"])
        .arg(format!("--target={}", out.join("haulout.gresource").display()))
        .status();
    match made {
        Ok(status) if status.success() => {}
        Ok(status) => println!("cargo::error=glib-compile-resources failed: {status}"),
        Err(error) => println!("cargo::error=starting glib-compile-resources (libglib2.0-dev-bin): {error}"),
    }
}
