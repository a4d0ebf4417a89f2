// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A table of a settings file: each key perhaps there, and laid over what an earlier file said of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Makes a table of settings: each key an `Option` or a list, and how a later file is laid over an earlier one.
macro_rules! table {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $key:ident: $kind:ty,)* } also $known:expr) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$doc])* pub $key: $kind,)*
            #[serde(flatten)]
            pub(super) rest: Rest,
        }

        impl $name {
            pub(super) fn overlay(&mut self, later: Self) {
                $(self.$key.lay_over(later.$key);)*
            }

            pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
                const KNOWN: &[&str] = $known;
                self.rest.0.keys().map(String::as_str).filter(|key| !KNOWN.contains(key))
            }
        }
    };
}
pub(super) use table;

/// What was in a table beside the keys that are kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Rest(
    #[allow(clippy::zero_sized_map_values, reason = "serde has no set that skips values")]
    pub  BTreeMap<String, IgnoredAny>,
);

impl PartialEq for Rest {
    fn eq(&self, other: &Self) -> bool {
        self.0.keys().eq(other.0.keys())
    }
}

/// A list of strings, and whether later ones come after it instead of in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<Item>")]
pub struct List {
    items: Vec<String>,
    said: bool,
    append: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "neither a string nor {append=true}")]
enum Item {
    Text(String),
    Attributes { append: bool },
}

impl From<Vec<Item>> for List {
    fn from(written: Vec<Item>) -> Self {
        let mut list = Self { said: true, ..Self::default() };
        for item in written {
            match item {
                Item::Text(text) => list.items.push(text),
                Item::Attributes { append } => list.append = Some(append),
            }
        }
        list
    }
}

impl List {
    /// What it holds; nothing when no file has it.
    pub fn get(&self) -> Option<&[String]> {
        self.said.then_some(&self.items)
    }

    /// A list that replaces what was there.
    pub fn of(items: Vec<String>) -> Self {
        Self { items, said: true, append: None }
    }

    /// What it holds, or nothing at all.
    pub fn items(&self) -> &[String] {
        &self.items
    }
}

/// How what a later file says is laid over what an earlier one said.
pub(super) trait LayOver {
    fn lay_over(&mut self, later: Self);
}

impl<T> LayOver for Option<T> {
    fn lay_over(&mut self, later: Self) {
        if later.is_some() {
            *self = later;
        }
    }
}

impl LayOver for List {
    fn lay_over(&mut self, later: Self) {
        if !later.said {
            return;
        }
        // The attribute holds for this file and for those after it, until one says otherwise.
        let append = later.append.or(self.append);
        if append == Some(true) {
            self.items.extend(later.items);
        } else {
            self.items = later.items;
        }
        self.said = true;
        self.append = append;
    }
}

impl<T> LayOver for BTreeMap<String, T> {
    fn lay_over(&mut self, later: Self) {
        self.extend(later);
    }
}
