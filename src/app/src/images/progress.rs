// SPDX-License-Identifier: GPL-3.0-or-later
//! How far a pull is: bytes, speed and time left, as numbers and as a bar.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use gettextrs::gettext;
use relm4::gtk;
use relm4::gtk::glib;
use relm4::gtk::prelude::*;

use crate::connection::{Failure, Flow, Pull, Reason};
use crate::language::fill;
use crate::measure;

/// The speed is that of about this long.
const WINDOW: Duration = Duration::from_secs(3);

/// What is known of a pull.
#[derive(Default)]
pub struct Tally {
    sizes: HashMap<String, u64>,
    fetched: HashMap<String, u64>,
    unpacked: usize,
    layers: usize,
    committing: bool,
    /// Bytes at points in time, for the speed.
    marks: Vec<(Instant, u64)>,
}

impl Tally {
    pub fn take(&mut self, step: &Pull, now: Instant) {
        match step {
            Pull::Trying(_) => *self = Self::default(),
            Pull::Layers(layers) => {
                let new = layers.iter().filter(|(_, _, present)| !present);
                self.sizes = new.map(|(layer, size, _)| (layer.clone(), *size)).collect();
                self.layers = self.sizes.len();
            }
            Pull::Fetched { layer, bytes } => {
                self.fetched.insert(layer.clone(), *bytes);
            }
            Pull::Unpacked(layer) => {
                if let Some(size) = self.sizes.get(layer) {
                    self.fetched.insert(layer.clone(), *size);
                    self.unpacked += 1;
                }
            }
            Pull::Committing => self.committing = true,
            Pull::Done(_) => {}
        }
        let done = self.done();
        self.marks.push((now, done));
        // One mark older than the window stays, as its beginning.
        while self.marks.get(1).is_some_and(|(time, _)| now.duration_since(*time) > WINDOW) {
            self.marks.remove(0);
        }
    }

    /// Nothing came for a while: what is told of the speed begins anew.
    fn stall(&mut self) {
        self.marks.clear();
    }

    fn total(&self) -> u64 {
        self.sizes.values().sum()
    }

    fn done(&self) -> u64 {
        self.fetched.iter().map(|(layer, bytes)| self.sizes.get(layer).map_or(0, |size| (*bytes).min(*size))).sum()
    }

    /// Bytes a second; nothing before there is anything to tell from.
    fn speed(&self) -> Option<u64> {
        let (first, last) = (self.marks.first()?, self.marks.last()?);
        let micros = last.0.duration_since(first.0).as_micros();
        if micros < 200_000 {
            return None;
        }
        u64::try_from(u128::from(last.1 - first.1.min(last.1)) * 1_000_000 / micros).ok()
    }

    /// Between 0 and 1; nothing while the size is not known.
    #[allow(clippy::cast_precision_loss, reason = "a bar of some hundred pixels")]
    pub fn fraction(&self) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| self.done() as f64 / total as f64)
    }

    /// `12.3 MB of 52.4 MB · 5.1 MB/s · 8 seconds left`
    pub fn line(&self) -> String {
        let (total, done) = (self.total(), self.done());
        if self.committing {
            return gettext("Writing to disk…");
        }
        if total == 0 {
            return gettext("Asking the registry…");
        }
        if done == total {
            return gettext("Unpacking…");
        }
        let mut parts = vec![fill(&gettext("{} of {}"), &[&measure::bytes(done), &measure::bytes(total)])];
        if let Some(speed) = self.speed().filter(|speed| *speed > 0) {
            parts.push(fill(&gettext("{}/s"), &[&measure::bytes(speed)]));
            parts.push(measure::time_left((total - done).div_ceil(speed)));
        }
        parts.join(" · ")
    }

    /// `2 of 5 layers unpacked`
    fn layers_line(&self) -> String {
        match self.layers {
            0 => String::new(),
            layers => fill(&gettext("{} of {} layers unpacked"), &[&self.unpacked.to_string(), &layers.to_string()]),
        }
    }
}

/// The widget.
#[derive(Clone)]
pub struct Progress {
    pub root: gtk::Box,
    title: gtk::Label,
    bar: gtk::ProgressBar,
    line: gtk::Label,
    layers: gtk::Label,
}

impl Progress {
    pub fn new() -> Self {
        let centred = |classes: &[&str]| {
            gtk::Label::builder()
                .wrap(true)
                .wrap_mode(gtk::pango::WrapMode::WordChar)
                .justify(gtk::Justification::Center)
                .css_classes(classes.to_vec())
                .build()
        };
        let title = centred(&["title-3"]);
        let bar = gtk::ProgressBar::builder().margin_top(12).build();
        bar.update_property(&[gtk::accessible::Property::Label(&gettext("Progress of the pull"))]);
        let line = centred(&["numeric"]);
        let layers = centred(&["dim-label", "caption", "numeric"]);
        let root = gtk::Box::builder()
            .orientation(gtk::Orientation::Vertical)
            .spacing(6)
            .valign(gtk::Align::Center)
            .margin_start(24)
            .margin_end(24)
            .margin_top(24)
            .margin_bottom(24)
            .build();
        root.append(&title);
        root.append(&bar);
        root.append(&line);
        root.append(&layers);
        Self { root, title, bar, line, layers }
    }

    /// Follows a pull of `name` to its end; answers the name that the image has then.
    pub async fn follow(&self, name: &str, flow: Flow<Pull>) -> Result<String, Failure> {
        let mut tally = Tally::default();
        self.title.set_text(&fill(&gettext("Pulling “{}”"), &[name]));
        self.show(&tally);
        loop {
            let step = match glib::future_with_timeout(WINDOW, flow.next()).await {
                Ok(Some(step)) => step,
                Ok(None) => break,
                // Nothing comes any more: neither is the speed what it was, nor the time that is left.
                Err(_) => {
                    tally.stall();
                    self.show(&tally);
                    continue;
                }
            };
            let mut step = step?;
            loop {
                if let Pull::Done(name) = step {
                    return Ok(name);
                }
                tally.take(&step, Instant::now());
                // Whatever is here already goes into the same drawing.
                match flow.ready() {
                    Some(next) => step = next?,
                    None => break,
                }
            }
            self.show(&tally);
        }
        Err(Failure { reason: Reason::Other, details: vec![gettext("The pull ended before it was done.")] })
    }

    fn show(&self, tally: &Tally) {
        match tally.fraction() {
            Some(fraction) => self.bar.set_fraction(fraction),
            None => self.bar.pulse(),
        }
        self.line.set_text(&tally.line());
        self.layers.set_text(&tally.layers_line());
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Tally;
    use crate::connection::Pull;

    fn layers() -> Pull {
        Pull::Layers(vec![("a".to_owned(), 100, false), ("b".to_owned(), 300, false), ("c".to_owned(), 999, true)])
    }

    #[test]
    fn a_layer_that_is_here_already_is_not_counted() {
        let mut tally = Tally::default();
        tally.take(&layers(), Instant::now());
        tally.take(&Pull::Fetched { layer: "c".to_owned(), bytes: 50 }, Instant::now());
        tally.take(&Pull::Fetched { layer: "b".to_owned(), bytes: 200 }, Instant::now());
        assert_eq!((tally.done(), tally.total()), (200, 400));
        assert_eq!(tally.fraction(), Some(0.5));
    }

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let (mut tally, start) = (Tally::default(), Instant::now());
        tally.take(&layers(), start);
        assert_eq!(tally.speed(), None);
        tally.take(&Pull::Fetched { layer: "b".to_owned(), bytes: 100 }, start + Duration::from_secs(10));
        tally.take(&Pull::Fetched { layer: "b".to_owned(), bytes: 300 }, start + Duration::from_secs(12));
        assert_eq!(tally.speed(), Some(25));
        tally.take(&Pull::Fetched { layer: "a".to_owned(), bytes: 100 }, start + Duration::from_secs(14));
        assert_eq!(tally.speed(), Some(75));
    }

    #[test]
    fn more_bytes_than_were_promised_make_no_more_than_all() {
        let mut tally = Tally::default();
        tally.take(&layers(), Instant::now());
        tally.take(&Pull::Fetched { layer: "a".to_owned(), bytes: 1000 }, Instant::now());
        assert_eq!(tally.done(), 100);
    }
}
