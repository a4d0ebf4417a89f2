// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout image tree`.

use anyhow::{Result, bail};

use crate::invocation::Invocation;
use crate::{output, size};

/// What comes after the verb.
pub const USAGE: &str = "[options] IMAGE";

/// Print layer hierarchy of an image in a tree format
///
/// Prints layer hierarchy of an image in a tree format
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Show all child images and layers of the specified image
    #[arg(long)]
    whatrequires: bool,
    images: Vec<String>,
}

/// Prints the image's layers, each below the one that it builds on, or the layers that build on it.
pub async fn run(args: Args, invocation: &Invocation) -> Result<u8> {
    let [name] = args.images.as_slice() else {
        bail!("accepts 1 arg(s), received {}", args.images.len());
    };
    let tree = invocation.engine().images().tree(name).await?;
    let names = |names: &[String]| format!("[{}]", names.join(" "));
    let mut text = format!(
        "Image ID: {}\nTags:     {}\nSize:     {}\n",
        &tree.id.hex()[..12],
        names(&tree.names),
        size::human(tree.size, 4, "")
    );
    if tree.layers.is_empty() {
        text += "No Image Layers\n";
        output::print(&text)?;
        return Ok(0);
    }
    text += "Image Layers\n";
    let of_layer = |layer: &haulout_engine::image::TreeLayer| {
        let mut line = format!("ID: {} Size: {}", &layer.diff_id.hex()[..12], size::human(layer.size, 4, ""));
        if !layer.top_of.is_empty() {
            line.push_str(" Top Layer of: ");
            line.push_str(&names(&layer.top_of));
        }
        line
    };
    if args.whatrequires {
        text += &below(&tree.children, "", &of_layer);
    } else {
        let last = tree.layers.len() - 1;
        for (index, layer) in tree.layers.iter().enumerate() {
            text += if index == last { "└── " } else { "├── " };
            text += &of_layer(layer);
            text += "\n";
        }
    }
    output::print(&(text + "\n"))?;
    Ok(0)
}

/// A tree's branches, each below the last.
fn below(
    branches: &[haulout_engine::image::TreeBranch],
    indent: &str,
    line: &impl Fn(&haulout_engine::image::TreeLayer) -> String,
) -> String {
    let mut text = String::new();
    for (index, branch) in branches.iter().enumerate() {
        let last = index + 1 == branches.len();
        let (mark, deeper) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
        text += &[indent, mark, &line(&branch.layer), "\n"].concat();
        text += &below(&branch.children, &format!("{indent}{deeper}"), line);
    }
    text
}
