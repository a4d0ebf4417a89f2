// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout version`.

use anyhow::{Result, bail};

use crate::format::{Data, Format, Struct, data, render};
use crate::invocation::{Invocation, PODMAN};
use crate::output;

/// What comes after the verb.
pub const USAGE: &str = "[options]";

/// Display the version information
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Change the output format to JSON or a Go template
    #[arg(short, long)]
    format: Option<String>,
    words: Vec<String>,
}

/// Prints what this is.
#[allow(clippy::unused_async, reason = "every verb is a future")]
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    if !args.words.is_empty() {
        bail!("`{}` takes no arguments", invocation.path);
    }
    let text = match args.format.as_deref().map(Format::parse) {
        None => format!(
            "Client:        {} Engine\nVersion:       {}\nAPI Version:   {PODMAN}\nOS/Arch:       {}\n",
            if invocation.program == "podman" { "Podman" } else { "Haulout" },
            invocation.version(),
            os_arch(),
        ),
        Some(Format::Json) => data::print_json(&whole(invocation).json(), "") + "\n",
        // There is no server: what is asked of one, the client answers.
        Some(Format::Template { table, text }) => {
            let text = unranged(&text).replace(".Server.", ".Client.");
            // As in Podman, what is asked for without saying of whom is the client's.
            match render("version", table, &text, whole(invocation), None) {
                Err(_) if !text.contains(".Client") => render("version", table, &text, one(invocation), None)?,
                rendered => rendered?,
            }
        }
    };
    output::print(&text)?;
    Ok(0)
}

/// A template for the one thing there is: not for each of several.
pub fn unranged(text: &str) -> String {
    text.strip_prefix("{{range .}}").and_then(|text| text.strip_suffix("{{end -}}")).unwrap_or(text).to_owned()
}

fn whole(invocation: &Invocation) -> Data {
    Struct::of("entities.SystemVersionReport")
        .with("Client", one(invocation))
        .with_omitted("Server", "Server", Data::Nil)
        .into()
}

/// `linux/amd64`.
fn os_arch() -> String {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{arch}")
}

/// What is known of the version, as podman names it.
pub fn one(invocation: &Invocation) -> Data {
    Struct::of("*define.Version")
        .with("APIVersion", PODMAN)
        .with("Version", invocation.version())
        .with("GoVersion", "")
        .with("GitCommit", "")
        .with("BuiltTime", "")
        .with("Built", 0)
        .with("BuildOrigin", "Haulout")
        .with("OsArch", os_arch())
        .with("Os", "linux")
        .into()
}
