// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Maps of ids as a user writes them, `--uidmap` and `--gidmap`: `[flags]inside:[@]outside[:count]` (podman-run(1)); and, without
//! flags, in `--userns=auto`.
//!
//! An entry with `+` takes what it names from those before it; when the first one has it, whatever ids are left are mapped as well. `u` and
//! `g` say that it is of users or of groups only, where a list stands for both.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::map::Extent;
use super::modes::ModeError;

/// A part of a map: the first id inside, the first one outside, how many.
pub(super) type Part = (u32, u32, u32);

/// One `--uidmap` or `--gidmap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The first id in the container.
    pub inside: u32,
    /// The first id in the rootless namespace, or the host's.
    pub outside: u32,
    /// How many.
    pub count: u32,
    /// `@`: `outside` is the host's.
    pub of_host: bool,
    /// `+`: it takes its ids from the entries before it.
    pub extends: bool,
    /// `u`, `g`: what it is of, if not of both.
    #[serde(default)]
    pub only: Option<Ids>,
}

/// What ids are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ids {
    /// Users.
    Users,
    /// Groups.
    Groups,
}

impl Ids {
    /// As messages call them.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Users => "UID",
            Self::Groups => "GID",
        }
    }
}

/// What is no number, in Go's and so Podman's words.
#[derive(Debug, thiserror::Error)]
#[error("strconv.ParseUint: parsing {text:?}: {why}")]
pub struct NotANumber {
    text: String,
    why: &'static str,
}

/// Reads an id or a count of them: digits, and nothing else.
pub(super) fn number(text: &str) -> Result<u32, NotANumber> {
    let failed = |why| NotANumber { text: text.to_owned(), why };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(failed("invalid syntax"));
    }
    text.parse().map_err(|_| failed("value out of range"))
}

impl Asked {
    /// Reads all `--uidmap`, or all `--gidmap`.
    ///
    /// # Errors
    /// The first that is none.
    pub fn parse_all(texts: &[String], of: Ids) -> Result<Vec<Self>, ModeError> {
        texts.iter().map(|text| Self::parse(text, of, texts)).collect()
    }

    /// Reads one of `all`.
    fn parse(text: &str, of: Ids, all: &[String]) -> Result<Self, ModeError> {
        let kind = of.name();
        let parts: Vec<&str> = text.split(':').collect();
        let (inside, outside, count) = match parts.as_slice() {
            [inside, outside] if !inside.is_empty() => (*inside, *outside, "1"),
            [inside, outside, count] if !inside.is_empty() => (*inside, *outside, *count),
            _ => return Err(ModeError::Malformed { kind, texts: all.to_vec() }),
        };
        let shown = || format!("{inside} {outside} {count}");
        if outside.is_empty() {
            return Err(ModeError::NoOutside { kind, parts: shown() });
        }
        let digits = inside.trim_start_matches(['+', 'u', 'g']);
        let flags = &inside[..inside.len() - digits.len()];
        match digits.chars().next() {
            None => return Err(ModeError::OnlyFlags { parts: shown() }),
            Some(letter) if !letter.is_ascii_digit() => {
                return Err(ModeError::Flag { parts: shown(), letter: letter.into() });
            }
            Some(_) => {}
        }
        let only = match (flags.contains('u'), flags.contains('g')) {
            (true, false) => Some(Ids::Users),
            (false, true) => Some(Ids::Groups),
            _ => None,
        };
        let asked = Self::of_parts([digits, outside, count], of)?;
        Ok(Self { extends: flags.contains('+'), only, ..asked })
    }

    /// Reads one as `--userns=auto` has it: without flags.
    pub(super) fn parse_plain(text: &str, of: Ids) -> Result<Self, ModeError> {
        let kind = of.name();
        let parts: Vec<&str> = text.split(':').collect();
        let (inside, outside, count) = match parts.as_slice() {
            [inside, outside] => (*inside, *outside, "1"),
            [inside, outside, count] => (*inside, *outside, *count),
            _ => return Err(ModeError::MalformedOption { kind, text: text.to_owned() }),
        };
        let shown = || format!("{inside} {outside} {count}");
        if inside.is_empty() {
            return Err(ModeError::NoInside { kind, parts: shown() });
        }
        if outside.is_empty() {
            return Err(ModeError::NoOutside { kind, parts: shown() });
        }
        Self::of_parts([inside, outside, count], of)
    }

    /// Reads the three parts of one, flags taken away.
    fn of_parts([inside, outside, count]: [&str; 3], of: Ids) -> Result<Self, ModeError> {
        let value =
            |text: &str, digits: &str| number(digits).map_err(|why| ModeError::Value { text: text.to_owned(), why });
        let host = outside.strip_prefix('@');
        let asked = Self {
            inside: value(inside, inside)?,
            outside: value(outside, host.unwrap_or(outside))?,
            count: value(count, count)?,
            of_host: host.is_some(),
            extends: false,
            only: None,
        };
        // No range goes past the last id.
        if asked.inside.checked_add(asked.count).and(asked.outside.checked_add(asked.count)).is_none() {
            let text = format!("{inside}:{outside}:{count}");
            return Err(ModeError::PastTheEnd { kind: of.name(), text });
        }
        Ok(asked)
    }

    /// What of the rootless namespace `outer` it maps.
    fn parts(&self, of: Ids, outer: &[Extent]) -> Result<Vec<Part>, ModeError> {
        if !self.of_host {
            return Ok(vec![(self.inside, self.outside, self.count)]);
        }
        let found = from_host(self.outside, self.count, of, outer)?;
        Ok(found.into_iter().map(|(skipped, outside, count)| (self.inside + skipped, outside, count)).collect())
    }
}

impl fmt::Display for Asked {
    /// As a user writes it, but for flags.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.of_host { "@" } else { "" };
        write!(f, "{}:{host}{}:{}", self.inside, self.outside, self.count)
    }
}

/// The map of `of` that `asked` comes to, after what was `named` before it, where the rootless namespace is `outer`; in the order of the
/// container's ids. Empty when nothing is asked of them.
pub(super) fn map(named: Vec<Part>, asked: &[Asked], of: Ids, outer: &[Extent]) -> Result<Vec<Part>, ModeError> {
    let asked: Vec<&Asked> =
        asked.iter().filter(|asked| asked.count > 0 && asked.only.is_none_or(|only| only == of)).collect();
    let fills = named.is_empty() && asked.first().is_some_and(|first| first.extends);
    let mut parts = named;
    for one in &asked {
        let new = one.parts(of, outer)?;
        if one.extends {
            for taken in &new {
                parts = without(&parts, taken);
            }
        }
        parts.extend(new);
    }
    if fills {
        let has = outer.iter().map(|extent| extent.count).fold(0, u32::saturating_add);
        let rest = rest(&parts, has);
        parts.extend(rest);
    }
    parts.sort_unstable();
    refuse_conflicts(&parts)?;
    Ok(merged(parts))
}

/// The first `size` ids of a container, but for those that are `asked` for, are ids that nobody has `taken`, in their order; those
/// that are asked for come after them. The user's own is not given away.
pub(super) fn automatic(
    size: u32,
    asked: &[Asked],
    of: Ids,
    outer: &[Extent],
    mut taken: Vec<Part>,
) -> Result<Vec<Part>, ModeError> {
    let mut given = Vec::new();
    for one in asked.iter().filter(|one| one.count > 0) {
        given.extend(one.parts(of, outer)?);
    }
    taken.extend(&given);
    let has = outer.iter().map(|extent| extent.count).fold(0, u32::saturating_add);
    let inside = gaps(given.iter().map(|part| (part.0, part.2)), size);
    let own = (0, 1);
    let outside = gaps(taken.iter().map(|part| (part.1, part.2)).chain([own]), has);
    let needs: u32 = inside.iter().map(|(_, count)| count).sum();
    let mut parts = zipped(inside, outside);
    if parts.iter().map(|part| part.2).sum::<u32>() < needs {
        return Err(ModeError::NoneLeft(size));
    }
    parts.extend(given);
    refuse_conflicts(&parts)?;
    Ok(parts)
}

/// Fails where two parts name an id on the same side: of the later one.
fn refuse_conflicts(parts: &[Part]) -> Result<(), ModeError> {
    for (index, one) in parts.iter().enumerate() {
        if parts[..index]
            .iter()
            .any(|other| meet(one.0, one.2, other.0, other.2) || meet(one.1, one.2, other.1, other.2))
        {
            return Err(ModeError::Conflict { inside: one.0, outside: one.1, count: one.2 });
        }
    }
    Ok(())
}

/// Whether two ranges have an id in common.
fn meet(first: u32, count: u32, other: u32, other_count: u32) -> bool {
    first < other.saturating_add(other_count) && other < first.saturating_add(count)
}

/// Where the host's ids from `first` on are in the rootless namespace: how many come before, the first one, how many.
pub(super) fn from_host(first: u32, count: u32, of: Ids, outer: &[Extent]) -> Result<Vec<Part>, ModeError> {
    let (mut parts, mut done) = (Vec::new(), 0);
    while done < count {
        let id = first + done;
        let extent = outer.iter().find(|extent| id >= extent.outside && id - extent.outside < extent.count);
        let extent = extent.ok_or(ModeError::NotOurs { kind: of.name(), id })?;
        let skipped = id - extent.outside;
        let here = (extent.count - skipped).min(count - done);
        parts.push((done, extent.inside + skipped, here));
        done += here;
    }
    Ok(parts)
}

/// `parts` without the ids that `taken` has on either side.
fn without(parts: &[Part], taken: &Part) -> Vec<Part> {
    let mut left = Vec::new();
    for &(inside, outside, count) in parts {
        // Ids are counted from the beginning of the part.
        let mut kept = vec![(0, count)];
        for (first, gone) in [(inside, taken.0), (outside, taken.1)] {
            let begin = gone.saturating_sub(first).min(count);
            let end = gone.saturating_add(taken.2).saturating_sub(first).min(count);
            kept = kept
                .into_iter()
                .flat_map(|(from, to)| [(from, to.min(begin)), (from.max(end), to)])
                .filter(|(from, to)| from < to)
                .collect();
        }
        left.extend(kept.into_iter().map(|(from, to)| (inside + from, outside + from, to - from)));
    }
    left
}

/// The ids that `parts` do not name, on both sides in their order.
fn rest(parts: &[Part], has: u32) -> Vec<Part> {
    zipped(gaps(parts.iter().map(|part| (part.0, part.2)), has), gaps(parts.iter().map(|part| (part.1, part.2)), has))
}

/// What of the first `has` ids is not `used`: the first one of each piece, and how many.
fn gaps(used: impl Iterator<Item = (u32, u32)>, has: u32) -> Vec<(u32, u32)> {
    let mut used: Vec<(u32, u32)> = used.collect();
    used.sort_unstable();
    let (mut gaps, mut next) = (Vec::new(), 0_u32);
    for (first, count) in used {
        if first > next {
            gaps.push((next, first.min(has) - next.min(has)));
        }
        next = next.max(first.saturating_add(count));
    }
    gaps.push((next, has.saturating_sub(next)));
    gaps.retain(|(_, count)| *count > 0);
    gaps
}

/// The ids of the one side mapped to those of the other, in their order, as far as both go.
fn zipped(mut inside: Vec<(u32, u32)>, mut outside: Vec<(u32, u32)>) -> Vec<Part> {
    inside.reverse();
    outside.reverse();
    let mut parts = Vec::new();
    while let (Some((to, left)), Some((from, right))) = (inside.pop(), outside.pop()) {
        let count = left.min(right);
        parts.push((to, from, count));
        if left > count {
            inside.push((to + count, left - count));
        }
        if right > count {
            outside.push((from + count, right - count));
        }
    }
    parts
}

/// Parts in the order of the container's ids, what follows upon one another together.
fn merged(mut parts: Vec<Part>) -> Vec<Part> {
    parts.sort_unstable();
    let mut merged: Vec<Part> = Vec::new();
    for part in parts {
        match merged.last_mut() {
            Some(last) if last.0.checked_add(last.2) == Some(part.0) && last.1.checked_add(last.2) == Some(part.1) => {
                last.2 += part.2;
            }
            _ => merged.push(part),
        }
    }
    merged
}
