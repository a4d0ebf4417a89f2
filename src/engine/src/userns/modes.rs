// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The user namespaces that containers can have inside the rootless one: `--userns`, `--uidmap`, `--gidmap`.
//!
//! Ids are of three kinds: those in the container, those in the rootless namespace (its 0 is the user, its 1 the first subordinate
//! id), and the host's. A container's map leads from the first kind to the second.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::map::{Extent, Map};
use super::subid::{self, Kind, Owner};

/// What a user may ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Userns {
    /// The rootless one itself: container root is the user, the rest are subordinate ids.
    #[default]
    Host,
    /// The user is who they are outside, or `uid` and `gid`; root and everybody else are subordinate ids.
    KeepId {
        /// Who the user is inside.
        uid: Option<u32>,
        /// The same for the group.
        gid: Option<u32>,
        /// How many ids there are.
        size: Option<u32>,
    },
    /// Only subordinate ids: the user is nobody inside.
    Nomap,
    /// As many ids as the image needs, that no other container of this kind has.
    Auto {
        /// How many.
        size: Option<u32>,
    },
    /// Another container's.
    Container(String),
    /// `--uidmap`, `--gidmap`, `--subuidname`, `--subgidname`.
    Maps {
        /// Users.
        users: Vec<Asked>,
        /// Groups; as users when nothing.
        groups: Vec<Asked>,
        /// Whose subordinate ids the users are.
        user_name: Option<String>,
        /// Whose subordinate ids the groups are.
        group_name: Option<String>,
    },
}

/// One `--uidmap`: `[+][@]`…
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
    /// `+`: the ids that are not named are mapped as well.
    pub extends: bool,
}

/// Whom the kernel shows where an id is not mapped.
pub const NOBODY: u32 = 65534;

/// A container's map into the rootless namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Users: inside, outside, how many.
    pub users: Vec<(u32, u32, u32)>,
    /// Groups.
    pub groups: Vec<(u32, u32, u32)>,
}

/// Why there is no such map. In Podman's words where it has any.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModeError {
    /// Not a mode.
    #[error("unrecognized namespace mode {0} passed")]
    Unknown(String),
    /// Not an option of a mode.
    #[error("unknown option specified: {0:?}")]
    Option(String),
    /// An option without a value.
    #[error("invalid option specified: {0:?}")]
    NoValue(String),
    /// Whose namespace is not said.
    #[error("invalid config provided: namespace mode container requires a value")]
    NoContainer,
    /// Not a number.
    #[error("strconv.ParseUint: parsing {0:?}: invalid syntax")]
    Number(String),
    /// Nothing is mapped.
    #[error("must provide at least one UID or GID mapping to configure a user namespace")]
    Empty,
    /// Not a map.
    #[error(
        "initializing ID mappings: {kind} setting is malformed expected [\"[+ug]uint32:[@]uint32[:uint32]\"] : [{text:?}]"
    )]
    Malformed {
        /// `UID` or `GID`.
        kind: &'static str,
        /// What was written.
        text: String,
    },
    /// More ids than there are.
    #[error(
        "the map {inside}:{outside}:{count} leads to ids that the user namespace does not have: it has {has}, from 0 on (more are given to a user in /etc/subuid and /etc/subgid)"
    )]
    TooFar {
        /// The first id in the container.
        inside: u32,
        /// The first id outside.
        outside: u32,
        /// How many.
        count: u32,
        /// How many ids there are.
        has: u32,
    },
    /// An id of the host's that is none of the user's.
    #[error("host id {0} is not in the user namespace: it is neither the user's own nor a subordinate id of theirs")]
    NotOurs(u32),
    /// No ids are left.
    #[error("no {0} ids in a row are left that no other container with --userns=auto has")]
    NoneLeft(u32),
    /// Subordinate ids.
    #[error("no {kind} ranges found for user {name:?} in /etc/{kind}")]
    NoRanges {
        /// `subuid` or `subgid`.
        kind: &'static str,
        /// Whose.
        name: String,
    },
}

impl FromStr for Userns {
    type Err = ModeError;

    /// Reads a mode as `--userns` has it.
    fn from_str(text: &str) -> Result<Self, ModeError> {
        let (mode, rest) = text.split_once(':').map_or((text, None), |(mode, rest)| (mode, Some(rest)));
        let words = || rest.into_iter().flat_map(|rest| rest.split(',')).filter(|word| !word.is_empty());
        let number = |text: &str| text.parse::<u32>().map_err(|_| ModeError::Number(text.to_owned()));
        match (mode, rest) {
            ("" | "host", None) => Ok(Self::Host),
            ("keep-id", _) => {
                let (mut uid, mut gid, mut size) = (None, None, None);
                for word in words() {
                    match word.split_once('=') {
                        Some(("uid", value)) => uid = Some(number(value)?),
                        Some(("gid", value)) => gid = Some(number(value)?),
                        Some(("size", value)) => size = Some(number(value)?),
                        Some((key, _)) => return Err(ModeError::Option(key.to_owned())),
                        None => return Err(ModeError::NoValue(word.to_owned())),
                    }
                }
                Ok(Self::KeepId { uid, gid, size })
            }
            ("nomap", None) => Ok(Self::Nomap),
            ("auto", _) => {
                let mut size = None;
                for word in words() {
                    match word.split_once('=') {
                        Some(("size", value)) => size = Some(number(value)?),
                        Some((key, _)) => return Err(ModeError::Option(key.to_owned())),
                        None => return Err(ModeError::NoValue(word.to_owned())),
                    }
                }
                Ok(Self::Auto { size })
            }
            ("container", Some(name)) if !name.is_empty() => Ok(Self::Container(name.to_owned())),
            ("container", Some(_)) => Err(ModeError::NoContainer),
            ("private", None) => Err(ModeError::Empty),
            _ => Err(ModeError::Unknown(text.to_owned())),
        }
    }
}

impl Asked {
    /// Reads one `--uidmap` (`kind` is `UID`) or `--gidmap` (`GID`).
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str, kind: &'static str) -> Result<Self, ModeError> {
        let malformed = || ModeError::Malformed { kind, text: text.to_owned() };
        let flags_end = text.find(|letter: char| !['+', 'u', 'g'].contains(&letter)).ok_or_else(malformed)?;
        let (flags, rest) = text.split_at(flags_end);
        let mut parts = rest.split(':');
        let (Some(inside), Some(outside)) = (parts.next(), parts.next()) else { return Err(malformed()) };
        let (count, None) = (parts.next().unwrap_or("1"), parts.next()) else { return Err(malformed()) };
        let (of_host, outside) = outside.strip_prefix('@').map_or((false, outside), |outside| (true, outside));
        let number = |text: &str| text.parse::<u32>().map_err(|_| malformed());
        let (inside, outside, count) = (number(inside)?, number(outside)?, number(count)?);
        // No range goes past the last id.
        inside.checked_add(count).and(outside.checked_add(count)).ok_or_else(malformed)?;
        Ok(Self { inside, outside, count, of_host, extends: flags.contains('+') })
    }
}

impl Mapping {
    /// The id in the rootless namespace of a user in the container.
    pub fn user(&self, id: u32) -> Option<u32> {
        through(&self.users, id)
    }

    /// The same for a group.
    pub fn group(&self, id: u32) -> Option<u32> {
        through(&self.groups, id)
    }

    /// Which user and group of the container have these ids in the rootless namespace: nobody where none has.
    pub fn inside(&self, (uid, gid): (u32, u32)) -> (u32, u32) {
        let back = |extents: &[(u32, u32, u32)], id: u32| {
            let found = extents.iter().find(|(_, outside, count)| id >= *outside && id - outside < *count);
            found.map_or(NOBODY, |(inside, outside, _)| inside + (id - outside))
        };
        (back(&self.users, uid), back(&self.groups, gid))
    }

    /// The ids in the rootless namespace of a user and a group of the container; of its root where they are not mapped.
    pub fn outside(&self, (uid, gid): (u32, u32)) -> (u32, u32) {
        let user = self.user(uid).or_else(|| self.user(0)).unwrap_or(uid);
        (user, self.group(gid).or_else(|| self.group(0)).unwrap_or(gid))
    }

    /// The map to the host's ids, the rootless namespace being `outer`.
    pub fn on_host(&self, outer: &Map) -> Map {
        let compose = |inner: &[(u32, u32, u32)], outer: &[Extent]| {
            split(inner, outer)
                .filter_map(|(inside, middle, count)| {
                    let extent =
                        outer.iter().find(|extent| middle >= extent.inside && middle - extent.inside < extent.count)?;
                    Some(Extent { inside, outside: extent.outside + (middle - extent.inside), count })
                })
                .collect()
        };
        Map { users: compose(&self.users, &outer.users), groups: compose(&self.groups, &outer.groups), warning: None }
    }
}

/// `inner`, cut so that each part leads into one extent of `outer`; what leads nowhere is left out.
pub(crate) fn split(inner: &[(u32, u32, u32)], outer: &[Extent]) -> impl Iterator<Item = (u32, u32, u32)> {
    let mut parts = Vec::new();
    for &(inside, middle, count) in inner {
        for extent in outer {
            let first = middle.max(extent.inside);
            let last = middle.saturating_add(count).min(extent.inside.saturating_add(extent.count));
            if first < last {
                parts.push((inside + (first - middle), first, last - first));
            }
        }
    }
    parts.into_iter()
}

fn through(map: &[(u32, u32, u32)], id: u32) -> Option<u32> {
    map.iter()
        .find(|(inside, _, count)| id >= *inside && id - inside < *count)
        .map(|(inside, outside, _)| outside + (id - inside))
}

/// The container's map that `asked` comes to. `needs` is how many ids its image uses, `taken` what other containers with
/// [`Userns::Auto`] have. Nothing for the rootless namespace itself and for another container's.
///
/// # Errors
/// Why there is none.
pub fn mapping(asked: &Userns, outer: &Map, needs: u32, taken: &[Mapping]) -> Result<Option<Mapping>, ModeError> {
    let size = |extents: &[Extent]| extents.iter().map(|extent| extent.count).fold(0, u32::saturating_add);
    let (users, groups) = (size(&outer.users), size(&outer.groups));
    let map = match asked {
        Userns::Host | Userns::Container(_) => return Ok(None),
        Userns::KeepId { uid, gid, size } => {
            let own = |extents: &[Extent]| extents.first().map_or(0, |extent| extent.outside);
            Mapping {
                users: kept(uid.unwrap_or(own(&outer.users)), users, *size),
                groups: kept(gid.unwrap_or(own(&outer.groups)), groups, *size),
            }
        }
        Userns::Nomap if users.min(groups) < 2 => return Err(ModeError::Empty),
        Userns::Nomap => Mapping { users: vec![(0, 1, users - 1)], groups: vec![(0, 1, groups - 1)] },
        Userns::Auto { size } => {
            let size = size.unwrap_or(needs);
            let first = free(size, users.min(groups), taken).ok_or(ModeError::NoneLeft(size))?;
            Mapping { users: vec![(0, first, size)], groups: vec![(0, first, size)] }
        }
        Userns::Maps { users: asked_users, groups: asked_groups, user_name, group_name } => {
            let named = |name: &Option<String>, kind, extents: &[Extent]| {
                name.as_ref().map(|name| subordinate(name, kind, extents)).transpose()
            };
            let mut users_of = named(user_name, Kind::User, &outer.users)?.unwrap_or_default();
            let mut groups_of = named(group_name, Kind::Group, &outer.groups)?.unwrap_or_default();
            users_of.extend(explicit(asked_users, &outer.users, users)?);
            let other = if asked_groups.is_empty() && group_name.is_none() { asked_users } else { asked_groups };
            if asked_groups.is_empty() && group_name.is_none() && user_name.is_some() {
                groups_of = named(user_name, Kind::Group, &outer.groups)?.unwrap_or_default();
            }
            groups_of.extend(explicit(other, &outer.groups, groups)?);
            if asked_users.is_empty() && user_name.is_none() {
                users_of = explicit(asked_groups, &outer.users, users)?;
            }
            Mapping { users: merged(users_of), groups: merged(groups_of) }
        }
    };
    if map.users.is_empty() || map.groups.is_empty() {
        return Err(ModeError::Empty);
    }
    for (extents, has) in [(&map.users, users), (&map.groups, groups)] {
        if let Some(&(inside, outside, count)) =
            extents.iter().find(|(_, outside, count)| outside.checked_add(*count).is_none_or(|end| end > has))
        {
            return Err(ModeError::TooFar { inside, outside, count, has });
        }
    }
    Ok(Some(map))
}

/// `own` is the user, the others are subordinate ids, in their order.
fn kept(own: u32, has: u32, size: Option<u32>) -> Vec<(u32, u32, u32)> {
    let size = size.map_or(has, |size| size.min(has));
    let below = own.min(has.saturating_sub(1));
    let mut extents = Vec::new();
    if below > 0 {
        extents.push((0, 1, below));
    }
    extents.push((own, 0, 1));
    if own == below && size > own + 1 {
        extents.push((own + 1, own + 1, size - own - 1));
    }
    extents
}

/// The first id after which `size` are nobody's. The user's own is not given away.
fn free(size: u32, has: u32, taken: &[Mapping]) -> Option<u32> {
    let mut used: Vec<(u32, u32)> = taken
        .iter()
        .flat_map(|map| map.users.iter().chain(&map.groups))
        .map(|&(_, outside, count)| (outside, count))
        .collect();
    used.sort_unstable();
    let mut first: u32 = 1;
    for (outside, count) in used {
        if outside >= first.checked_add(size)? {
            break;
        }
        first = first.max(outside.checked_add(count)?);
    }
    (first.checked_add(size)? <= has && size > 0).then_some(first)
}

fn explicit(asked: &[Asked], outer: &[Extent], has: u32) -> Result<Vec<(u32, u32, u32)>, ModeError> {
    let mut extents = Vec::new();
    for map in asked.iter().filter(|map| map.count > 0) {
        let outside = if map.of_host { from_host(map.outside, outer)? } else { map.outside };
        extents.push((map.inside, outside, map.count));
    }
    if asked.iter().any(|map| map.extends) {
        let rest = rest(&extents, has);
        extents.extend(rest);
    }
    Ok(extents)
}

fn from_host(id: u32, outer: &[Extent]) -> Result<u32, ModeError> {
    let found = outer.iter().find(|extent| id >= extent.outside && id - extent.outside < extent.count);
    found.map(|extent| extent.inside + (id - extent.outside)).ok_or(ModeError::NotOurs(id))
}

/// The ids that `extents` do not name, on both sides in their order.
fn rest(extents: &[(u32, u32, u32)], has: u32) -> Vec<(u32, u32, u32)> {
    let gaps = |side: &dyn Fn(&(u32, u32, u32)) -> u32| {
        let mut used: Vec<(u32, u32)> = extents.iter().map(|extent| (side(extent), extent.2)).collect();
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
    };
    let (mut inside, mut outside) = (gaps(&|extent| extent.0), gaps(&|extent| extent.1));
    inside.reverse();
    outside.reverse();
    let mut rest = Vec::new();
    while let (Some((to, left)), Some((from, right))) = (inside.pop(), outside.pop()) {
        let count = left.min(right);
        rest.push((to, from, count));
        if left > count {
            inside.push((to + count, left - count));
        }
        if right > count {
            outside.push((from + count, right - count));
        }
    }
    rest
}

/// In the order of the container's ids, what follows upon one another together.
fn merged(mut extents: Vec<(u32, u32, u32)>) -> Vec<(u32, u32, u32)> {
    extents.sort_unstable();
    let mut merged: Vec<(u32, u32, u32)> = Vec::new();
    for extent in extents {
        match merged.last_mut() {
            Some(last)
                if last.0.checked_add(last.2) == Some(extent.0) && last.1.checked_add(last.2) == Some(extent.1) =>
            {
                last.2 += extent.2;
            }
            _ => merged.push(extent),
        }
    }
    merged
}

/// The subordinate ids of `name`, as far as they are in the rootless namespace, from the container's 0 on.
fn subordinate(name: &str, kind: Kind, outer: &[Extent]) -> Result<Vec<(u32, u32, u32)>, ModeError> {
    let text = match kind {
        Kind::User => "subuid",
        Kind::Group => "subgid",
    };
    let owner = Owner { name: name.to_owned(), uid: u32::MAX };
    let ranges = subid::of(&owner, kind).map_err(|_| ModeError::NoRanges { kind: text, name: name.to_owned() })?;
    let (mut extents, mut inside) = (Vec::new(), 0);
    for range in ranges {
        extents.push((inside, from_host(range.first, outer)?, range.count));
        inside = u32::checked_add(inside, range.count)
            .ok_or_else(|| ModeError::NoRanges { kind: text, name: name.to_owned() })?;
    }
    Ok(extents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outer() -> Map {
        let extents =
            vec![Extent { inside: 0, outside: 1000, count: 1 }, Extent { inside: 1, outside: 100_000, count: 65536 }];
        Map { users: extents.clone(), groups: extents, warning: None }
    }

    fn users(text: &str) -> Vec<(u32, u32, u32)> {
        mapping(&text.parse().unwrap(), &outer(), 1024, &[]).unwrap().unwrap().users
    }

    fn explicit_users(maps: &[&str]) -> Result<Vec<(u32, u32, u32)>, String> {
        let parse = |text: &&str| Asked::parse(text, "UID").map_err(|error| error.to_string());
        let asked = Userns::Maps {
            users: maps.iter().map(parse).collect::<Result<_, _>>()?,
            groups: Vec::new(),
            user_name: None,
            group_name: None,
        };
        mapping(&asked, &outer(), 0, &[]).map(|map| map.unwrap().users).map_err(|error| error.to_string())
    }

    #[test]
    fn the_modes_come_to_podmans_maps() {
        assert_eq!(users("keep-id"), [(0, 1, 1000), (1000, 0, 1), (1001, 1001, 64536)]);
        assert_eq!(users("keep-id:uid=5,gid=6"), [(0, 1, 5), (5, 0, 1), (6, 6, 65531)]);
        assert_eq!(users("keep-id:uid=0"), [(0, 0, 1), (1, 1, 65536)]);
        assert_eq!(users("keep-id:size=65536"), [(0, 1, 1000), (1000, 0, 1), (1001, 1001, 64535)]);
        assert_eq!(users("keep-id:size=10"), [(0, 1, 1000), (1000, 0, 1)]);
        assert_eq!(users("nomap"), [(0, 1, 65536)]);
        assert_eq!(users("auto"), [(0, 1, 1024)]);
        assert_eq!(users("auto:size=100"), [(0, 1, 100)]);
    }

    #[test]
    fn explicit_maps_are_taken_as_they_are_or_extended() {
        assert_eq!(explicit_users(&["0:1:3"]).unwrap(), [(0, 1, 3)]);
        assert_eq!(explicit_users(&["0:1"]).unwrap(), [(0, 1, 1)]);
        assert_eq!(explicit_users(&["1:1:100", "0:0:1"]).unwrap(), [(0, 0, 101)]);
        let extended = [(0, 1, 5), (5, 0, 1), (6, 6, 65531)];
        assert_eq!(explicit_users(&["+5:0:1"]).unwrap(), extended);
        assert_eq!(explicit_users(&["+5:@1000:1"]).unwrap(), extended);
        assert!(explicit_users(&["x"]).unwrap_err().contains("UID setting is malformed"));
        assert!(explicit_users(&["0:0:0"]).unwrap_err().contains("at least one"));
        assert!(explicit_users(&["0:1:70000"]).unwrap_err().contains("65537"));
        assert!(explicit_users(&["0:@5:1"]).unwrap_err().contains("host id 5"));
    }

    #[test]
    fn no_two_automatic_ones_overlap() {
        let auto = |taken: &[Mapping], size| mapping(&Userns::Auto { size: Some(size) }, &outer(), 0, taken);
        let one = auto(&[], 1000).unwrap().unwrap();
        let two = auto(std::slice::from_ref(&one), 1000).unwrap().unwrap();
        let three = auto(std::slice::from_ref(&two), 500).unwrap().unwrap();
        assert_eq!((one.users[0].1, two.users[0].1, three.users[0].1), (1, 1001, 1));
        assert!(auto(&[one, two], 65000).is_err());
    }

    #[test]
    fn a_map_leads_to_the_host_through_the_rootless_one() {
        let host = mapping(&"keep-id".parse().unwrap(), &outer(), 0, &[]).unwrap().unwrap().on_host(&outer());
        let extents: Vec<_> = host.users.iter().map(|e| (e.inside, e.outside, e.count)).collect();
        assert_eq!(extents, [(0, 100_000, 1000), (1000, 1000, 1), (1001, 101_000, 64536)]);
    }

    #[test]
    fn what_is_no_mode_is_refused_in_podmans_words() {
        for (text, message) in [
            ("foo", "unrecognized namespace mode foo passed"),
            ("nomap:x", "unrecognized namespace mode nomap:x passed"),
            ("keep-id:foo=3", "unknown option specified: \"foo\""),
            ("keep-id:uid=x", "strconv.ParseUint: parsing \"x\": invalid syntax"),
            ("auto:foo=1", "unknown option specified: \"foo\""),
            ("private", "must provide at least one UID or GID mapping to configure a user namespace"),
        ] {
            assert_eq!(text.parse::<Userns>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn whatever_is_written_it_is_a_mode_or_refused() {
        let outer = outer();
        haulout_fuzz::feed_text("userns", |text| {
            if let Ok(mode) = text.parse::<Userns>() {
                let _ = mapping(&mode, &outer, 1024, &[]);
            }
            if let Ok(asked) = Asked::parse(text, "UID") {
                let (users, groups, user_name, group_name) = (vec![asked], Vec::new(), None, None);
                let _ = mapping(&Userns::Maps { users, groups, user_name, group_name }, &outer, 1024, &[]);
            }
        });
    }
}
