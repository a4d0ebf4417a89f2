// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The user namespaces that containers can have inside the rootless one: `--userns`, `--uidmap`, `--gidmap`.
//!
//! Ids are of three kinds: those in the container, those in the rootless namespace (its 0 is the user, its 1 the first subordinate
//! id), and the host's. A container's map leads from the first kind to the second.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::explicit::{self, Part, number};
pub use super::explicit::{Asked, Ids, NotANumber};
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
        /// Users that are mapped so, whoever else has them.
        #[serde(default)]
        users: Vec<Asked>,
        /// Such groups.
        #[serde(default)]
        groups: Vec<Asked>,
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
    #[error(transparent)]
    Number(#[from] NotANumber),
    /// Nothing is mapped.
    #[error("must provide at least one UID or GID mapping to configure a user namespace")]
    Empty,
    /// Not a map.
    #[error(
        "initializing ID mappings: {kind} setting is malformed expected [\"[+ug]uint32:[@]uint32[:uint32]\"] : [{}]",
        quoted(texts)
    )]
    Malformed {
        /// `UID` or `GID`.
        kind: &'static str,
        /// What was written, all of that kind.
        texts: Vec<String>,
    },
    /// Not a map of `--userns=auto`.
    #[error(
        "initializing ID mappings: {kind} setting is malformed expected [\"uint32:[@]uint32[:uint32]\"] : {text:?}"
    )]
    MalformedOption {
        /// `UID` or `GID`.
        kind: &'static str,
        /// What was written.
        text: String,
    },
    /// A map from nowhere.
    #[error("invalid empty container id at {kind} map: [{parts}]")]
    NoInside {
        /// `UID` or `GID`.
        kind: &'static str,
        /// What it is made of.
        parts: String,
    },
    /// A map to nowhere.
    #[error("invalid empty host id at {kind} map: [{parts}]")]
    NoOutside {
        /// `UID` or `GID`.
        kind: &'static str,
        /// What it is made of.
        parts: String,
    },
    /// A flag that nobody knows, or a number that does not begin like one.
    #[error("invalid mapping: [{parts}]. Unknown flag {letter}")]
    Flag {
        /// What the map is made of.
        parts: String,
        /// The letter's number.
        letter: u32,
    },
    /// Flags, and no id.
    #[error("invalid mapping: [{parts}], parsing flags")]
    OnlyFlags {
        /// What the map is made of.
        parts: String,
    },
    /// A part of a map that is no number.
    #[error("parsing id map value {text:?}: {why}")]
    Value {
        /// The part.
        text: String,
        /// What is wrong with it.
        why: NotANumber,
    },
    /// A map that runs past the last id that there is.
    #[error("the {kind} map {text} runs past the last id")]
    PastTheEnd {
        /// `UID` or `GID`.
        kind: &'static str,
        /// What was written.
        text: String,
    },
    /// Two maps for one id.
    #[error(
        "creating container storage: the specified UID and/or GID mapping {inside}:{outside}:{count} conflicts with other mappings: invalid mappings specified"
    )]
    Conflict {
        /// The first id in the container.
        inside: u32,
        /// The first id outside.
        outside: u32,
        /// How many.
        count: u32,
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
    #[error(
        "parent ID {kind} {id} is not mapped/delegated: it is not in the user namespace, being neither the user's own nor a subordinate id of theirs"
    )]
    NotOurs {
        /// `UID` or `GID`.
        kind: &'static str,
        /// The id.
        id: u32,
    },
    /// No ids are left.
    #[error(
        "creating container storage: not enough unused IDs in user namespace: {0} that no other container with --userns=auto has"
    )]
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
        match (mode, rest) {
            ("" | "host", None) => Ok(Self::Host),
            ("keep-id", _) => {
                let (mut uid, mut gid, mut size) = (None, None, None);
                for word in words() {
                    match word.split_once('=') {
                        Some(("uid", value)) => uid = Some(number(value)?),
                        Some(("gid", value)) => gid = Some(number(value)?),
                        Some(("size", value)) => size = Some(number(value)?).filter(|size| *size > 0),
                        Some((key, _)) => return Err(ModeError::Option(key.to_owned())),
                        None => return Err(ModeError::NoValue(word.to_owned())),
                    }
                }
                Ok(Self::KeepId { uid, gid, size })
            }
            ("nomap", None) => Ok(Self::Nomap),
            ("auto", Some("")) => Err(ModeError::NoValue(String::new())),
            ("auto", _) => {
                let (mut size, mut users, mut groups) = (None, Vec::new(), Vec::new());
                for word in words() {
                    match word.split_once('=') {
                        Some(("size", value)) => size = Some(number(value)?).filter(|size| *size > 0),
                        Some(("uidmapping", value)) => users.push(Asked::parse_plain(value, Ids::Users)?),
                        Some(("gidmapping", value)) => groups.push(Asked::parse_plain(value, Ids::Groups)?),
                        Some((key, _)) => return Err(ModeError::Option(key.to_owned())),
                        None => return Err(ModeError::NoValue(word.to_owned())),
                    }
                }
                Ok(Self::Auto { size, users, groups })
            }
            ("container", Some(name)) if !name.is_empty() => Ok(Self::Container(name.to_owned())),
            ("container", Some(_)) => Err(ModeError::NoContainer),
            ("private", None) => Err(ModeError::Empty),
            _ => Err(ModeError::Unknown(text.to_owned())),
        }
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

    /// Whether the container's root may enter a folder that is the user's alone: it is the user, or has power over what is theirs, for
    /// which it has to know both user and group (`user_namespaces(7)`).
    pub(crate) fn reaches_own_folders(&self) -> bool {
        let knows = |extents: &[(u32, u32, u32)]| extents.iter().any(|(_, outside, count)| *outside == 0 && *count > 0);
        self.user(0) == Some(0) || (knows(&self.users) && knows(&self.groups))
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
        Userns::Auto { size, users: asked_users, groups: asked_groups } => {
            let size = size.unwrap_or(needs);
            let users = taken.iter().flat_map(|map| &map.users).copied();
            let groups = taken.iter().flat_map(|map| &map.groups).copied();
            Mapping {
                users: explicit::automatic(size, asked_users, Ids::Users, &outer.users, users.collect())?,
                groups: explicit::automatic(size, asked_groups, Ids::Groups, &outer.groups, groups.collect())?,
            }
        }
        Userns::Maps { users: asked_users, groups: asked_groups, user_name, group_name } => {
            // What is said of one kind of ids only stands for both.
            let other =
                |asked: &'_ [Asked], other: &'_ [Asked]| if asked.is_empty() { other.to_vec() } else { asked.to_vec() };
            let users_of = user_name.as_deref().or(group_name.as_deref().filter(|_| asked_users.is_empty()));
            let groups_of = group_name.as_deref().or(user_name.as_deref().filter(|_| asked_groups.is_empty()));
            let whole = |name: Option<&str>, asked: &[Asked], of: Ids, extents: &[Extent]| {
                let named = name.map(|name| subordinate(name, of, extents)).transpose()?.unwrap_or_default();
                explicit::map(named, asked, of, extents)
            };
            let mut map = Mapping {
                users: whole(users_of, &other(asked_users, asked_groups), Ids::Users, &outer.users)?,
                groups: whole(groups_of, &other(asked_groups, asked_users), Ids::Groups, &outer.groups)?,
            };
            // Of which nothing is said beside the other, all are as they are.
            match (map.users.is_empty(), map.groups.is_empty()) {
                (true, false) => map.users = as_they_are(&outer.users),
                (false, true) => map.groups = as_they_are(&outer.groups),
                _ => {}
            }
            map
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

/// The subordinate ids of `name`, as far as they are in the rootless namespace, from the container's 0 on.
fn subordinate(name: &str, of: Ids, outer: &[Extent]) -> Result<Vec<Part>, ModeError> {
    let (kind, text) = match of {
        Ids::Users => (Kind::User, "subuid"),
        Ids::Groups => (Kind::Group, "subgid"),
    };
    let owner = Owner { name: name.to_owned(), uid: u32::MAX };
    let none = || ModeError::NoRanges { kind: text, name: name.to_owned() };
    let ranges = subid::of(&owner, kind).map_err(|_| none())?;
    let (mut parts, mut inside) = (Vec::new(), 0_u32);
    for range in ranges {
        let end = inside.checked_add(range.count).ok_or_else(none)?;
        let found = explicit::from_host(range.first, range.count, of, outer)?;
        parts.extend(found.into_iter().map(|(skipped, outside, count)| (inside + skipped, outside, count)));
        inside = end;
    }
    Ok(parts)
}

/// All ids, each as itself.
fn as_they_are(outer: &[Extent]) -> Vec<Part> {
    outer.iter().map(|extent| (extent.inside, extent.inside, extent.count)).collect()
}

/// Texts as Go shows a list of them.
fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
