// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unpacks a layer from standard input as the user namespace's root, by a zygote: `steps DIR [gzip|zstd|none]`. Prints what
//! came out, and how long it took. `steps --remove DIR` removes a folder in the same way, `steps --anchor` makes the anchor.

use std::os::fd::AsFd;
use std::time::Instant;

use haulout_engine::step::{Compression, Step, Steps};
use haulout_engine::store::unpack::Limits;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Before tokio starts its threads.
    let steps = Steps::fork()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (step, descriptors) = match words.as_slice() {
        ["--anchor"] => (Step::Anchor, Vec::new()),
        ["--remove", path] => (Step::Remove { path: path.into() }, Vec::new()),
        [into, rest @ ..] => {
            let compression = match rest {
                [] | ["gzip"] => Compression::Gzip,
                ["zstd"] => Compression::Zstd,
                _ => Compression::None,
            };
            let step = Step::Unpack { into: into.into(), compression, length: None, limits: Limits::default() };
            (step, vec![std::io::stdin().as_fd().try_clone_to_owned()?])
        }
        [] => return Err("steps DIR [gzip|zstd|none] | --remove DIR | --anchor".into()),
    };
    let begun = Instant::now();
    let answer = tokio::runtime::Runtime::new()?.block_on(steps.run(&step, descriptors))?;
    println!("{answer:?} after {:?}", begun.elapsed());
    Ok(())
}
