// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How far a pull is, on standard error: bars on a terminal, else a line for what begins.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt as _;
use haulout_engine::Error;
use haulout_engine::digest::Digest;
use haulout_engine::image::{PullLayer, PullProgress, PushProgress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{output, terminal};

/// What a pull, a load or an import came to: the image's id and name.
pub type Done = (Digest, String);

/// Shows `progress` until its end, unless it is to be `quiet`; answers every image that came.
pub async fn show(
    mut progress: impl futures_util::Stream<Item = Result<PullProgress, Error>> + Unpin,
    quiet: bool,
) -> Result<Vec<Done>> {
    let mut shown = Shown::new(quiet);
    let mut done = Vec::new();
    while let Some(step) = progress.next().await {
        done.extend(shown.step(step?));
    }
    Ok(done)
}

/// How far one pull is, as it is shown.
pub struct Shown(Box<dyn View>);

impl Shown {
    /// Nothing is shown yet; nor is anything ever when it is to be `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self(match (quiet, terminal::is_error()) {
            (true, _) => Box::new(Nothing),
            (false, true) => Box::new(Bars::default()),
            (false, false) => Box::new(Lines::default()),
        })
    }

    /// Shows the next step; answers an image that came.
    pub fn step(&mut self, step: PullProgress) -> Option<Done> {
        let view = &mut self.0;
        match step {
            PullProgress::Resolved(reason) => view.resolved(&reason),
            PullProgress::Trying(name) => view.trying(&name),
            PullProgress::Layers(layers) => view.layers(&layers),
            PullProgress::Fetched { blob, bytes } => view.fetched(&blob, bytes),
            PullProgress::Unpacked { blob } => view.unpacked(&blob),
            PullProgress::Committing => {}
            PullProgress::Done { id, name } => {
                view.done(&id);
                return Some((id, name));
            }
        }
        None
    }
}

/// Shows how far a push or a save is until its end, unless it is to be `quiet`; answers the digests of the manifests. `signatures`: a
/// line is said of those, as podman does when it pushes.
pub async fn show_push(
    mut progress: impl futures_util::Stream<Item = Result<PushProgress, Error>> + Unpin,
    quiet: bool,
    signatures: bool,
) -> Result<Vec<Digest>> {
    let mut digests = Vec::new();
    let mut bars = (!quiet && terminal::is_error()).then(Bars::default);
    let lines = !quiet && bars.is_none();
    if signatures && !quiet {
        output::error("Getting image source signatures\n");
    }
    let mut config = None;
    // Said once, when everything was sent.
    let written = |config: &mut Option<Digest>, bars: &mut Option<Bars>| {
        if let Some(id) = config.take() {
            match bars {
                Some(bars) => bars.done(&id),
                None if lines => output::error("Writing manifest to image destination\n"),
                None => {}
            }
        }
    };
    while let Some(step) = progress.next().await {
        match step? {
            PushProgress::Layers(layers) => {
                for layer in &layers {
                    if let Some(bars) = &mut bars {
                        let bar = bars.bar(layer);
                        bars.by_blob.insert(layer.blob, bar);
                    } else if lines {
                        output::error(&format!("Copying blob {}\n", layer.blob));
                    }
                }
            }
            PushProgress::Sent { blob, bytes } => {
                if let Some(bars) = &mut bars {
                    bars.fetched(&blob, bytes);
                }
            }
            PushProgress::Copied { blob } => {
                if let Some(bars) = &mut bars {
                    bars.unpacked(&blob);
                }
            }
            PushProgress::Skipped { blob } => {
                if let Some(bars) = &mut bars
                    && let Some(bar) = bars.by_blob.get(&blob).cloned()
                {
                    bars.end(&bar, format!("Copying blob {} skipped: already exists", short(&blob)));
                }
            }
            PushProgress::Config(id) => {
                config = Some(id);
                if lines {
                    output::error(&format!("Copying config {id}\n"));
                }
            }
            PushProgress::Written => written(&mut config, &mut bars),
            PushProgress::Signing(words) => {
                if !quiet {
                    output::error(&format!("{words}\n"));
                }
            }
            PushProgress::Done { digest } => digests.push(digest),
        }
    }
    written(&mut config, &mut bars);
    Ok(digests)
}

/// One way of showing it.
trait View {
    fn resolved(&mut self, reason: &str) {
        output::error(&format!("{reason}\n"));
    }
    fn trying(&mut self, name: &str) {
        output::error(&format!("Trying to pull {name}...\n"));
    }
    fn layers(&mut self, layers: &[PullLayer]);
    fn fetched(&mut self, blob: &Digest, bytes: u64);
    fn unpacked(&mut self, blob: &Digest);
    fn done(&mut self, id: &Digest);
}

struct Nothing;

impl View for Nothing {
    fn resolved(&mut self, _: &str) {}
    fn trying(&mut self, _: &str) {}
    fn layers(&mut self, _: &[PullLayer]) {}
    fn fetched(&mut self, _: &Digest, _: u64) {}
    fn unpacked(&mut self, _: &Digest) {}
    fn done(&mut self, _: &Digest) {}
}

/// Lines as they come. `unnamed`: there is a layer whose digest comes last.
#[derive(Default)]
struct Lines {
    unnamed: bool,
}

impl View for Lines {
    fn layers(&mut self, layers: &[PullLayer]) {
        output::error("Getting image source signatures\n");
        for layer in layers {
            if layer.blob == PullLayer::UNNAMED {
                self.unnamed = true;
            } else {
                output::error(&format!("Copying blob {}\n", layer.blob));
            }
        }
    }

    fn fetched(&mut self, _: &Digest, _: u64) {}

    fn unpacked(&mut self, blob: &Digest) {
        if self.unnamed && *blob != PullLayer::UNNAMED {
            output::error(&format!("Copying blob {blob}\n"));
        }
    }

    fn done(&mut self, id: &Digest) {
        output::error(&format!("Copying config {id}\nWriting manifest to image destination\n"));
    }
}

/// A bar a layer, which ends as a line that stays.
#[derive(Default)]
struct Bars {
    all: MultiProgress,
    by_blob: HashMap<Digest, ProgressBar>,
    ended: Vec<String>,
}

/// The first twelve digits of a digest.
fn short(digest: &Digest) -> String {
    // Of a tar it is known when all of it is here.
    if *digest == PullLayer::UNNAMED { "of the tar".to_owned() } else { digest.hex()[..12].to_owned() }
}

impl Bars {
    fn bar(&self, layer: &PullLayer) -> ProgressBar {
        let bar = self.all.add(ProgressBar::new(layer.size));
        let template = "{prefix} [{bar:38}] {bytes} / {total_bytes} | {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=>-"));
        }
        bar.set_prefix(format!("Copying blob {}", short(&layer.blob)));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// A bar becomes words.
    fn end(&mut self, bar: &ProgressBar, words: String) {
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        bar.finish_with_message(words.clone());
        self.ended.push(words);
    }
}

impl View for Bars {
    fn layers(&mut self, layers: &[PullLayer]) {
        output::error("Getting image source signatures\n");
        for layer in layers {
            let bar = self.bar(layer);
            if layer.present {
                self.end(&bar, format!("Copying blob {} skipped: already exists", short(&layer.blob)));
            }
            self.by_blob.insert(layer.blob, bar);
        }
    }

    fn fetched(&mut self, blob: &Digest, bytes: u64) {
        if let Some(bar) = self.by_blob.get(blob) {
            bar.set_position(bytes);
        }
    }

    fn unpacked(&mut self, blob: &Digest) {
        if let Some(bar) = self.by_blob.get(blob).filter(|bar| !bar.is_finished()).cloned() {
            self.end(&bar, format!("Copying blob {} done", short(blob)));
        }
    }

    fn done(&mut self, id: &Digest) {
        // Bars are redrawn for ever; what stays is printed once more as it is.
        let _ = self.all.clear();
        self.by_blob.clear();
        let blobs: String = self.ended.drain(..).map(|words| words + "\n").collect();
        output::error(&format!("{blobs}Copying config {} done\nWriting manifest to image destination\n", short(id)));
    }
}
