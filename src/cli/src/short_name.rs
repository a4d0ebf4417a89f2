// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which of several registries a short name means: asked on a terminal, and remembered (containers-registries.conf(5)).

use std::fmt::Write as _;
use std::io::Read as _;

use anyhow::{Context as _, Result, bail};
use haulout_engine::Engine;
use haulout_engine::image::reference::Reference;

use crate::{output, terminal};

/// The full name that the user chose of those that `name` may stand for; nothing when there is nothing to be asked, or nobody.
pub async fn chosen(engine: &Engine, name: &str) -> Result<Option<Reference>> {
    if !terminal::is_input() || !terminal::is_output() {
        return Ok(None);
    }
    let mut choices = engine.images().choices(name).await?;
    if choices.is_empty() {
        return Ok(None);
    }
    let texts: Vec<String> = choices.iter().map(ToString::to_string).collect();
    let index = select("Please select an image:", &texts).context("selecting an image")?;
    Ok(Some(choices.swap_remove(index)))
}

/// Notes it. That it cannot be noted is no reason not to go on: then it is asked again.
pub async fn remember(engine: &Engine, name: &str, chosen: &Reference) {
    if let Err(error) = engine.images().remember_choice(name, chosen).await {
        output::warning(&format!("the answer is not remembered: {:#}", anyhow::Error::from(error)));
    }
}

/// Lets the user choose one of `texts` by the arrow keys, or by its number.
fn select(question: &str, texts: &[String]) -> Result<usize> {
    let raw = terminal::raw()?;
    output::error(&format!("? {question} (arrow keys to move, Enter to choose)\r\n"));
    let mut at = 0;
    output::error(&list(texts, at));
    let mut keys = std::io::stdin().lock().bytes();
    loop {
        let key = keys.next().transpose()?;
        match key {
            Some(b'\r' | b'\n') => break,
            // Ctrl-C, Ctrl-D, or the terminal is gone.
            None | Some(3 | 4) => {
                drop(raw);
                bail!("^C");
            }
            Some(b'k' | 16) => at = at.saturating_sub(1),
            Some(b'j' | 14) => at = (at + 1).min(texts.len() - 1),
            Some(digit @ b'1'..=b'9') if usize::from(digit - b'1') < texts.len() => at = usize::from(digit - b'1'),
            Some(0x1b) => match (keys.next().transpose()?, keys.next().transpose()?) {
                (Some(b'[' | b'O'), Some(b'A')) => at = at.saturating_sub(1),
                (Some(b'[' | b'O'), Some(b'B')) => at = (at + 1).min(texts.len() - 1),
                _ => continue,
            },
            Some(_) => continue,
        }
        output::error(&format!("\x1b[{}A{}", texts.len(), list(texts, at)));
    }
    drop(raw);
    Ok(at)
}

/// A line each, the one at `at` marked.
fn list(texts: &[String], at: usize) -> String {
    let mut list = String::new();
    for (index, text) in texts.iter().enumerate() {
        let mark = if index == at { '▸' } else { ' ' };
        let _ = write!(list, "\r\x1b[K  {mark} {text}\r\n");
    }
    list
}
