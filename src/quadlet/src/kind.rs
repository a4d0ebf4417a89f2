// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The kinds of units, and the names of units.

use std::fmt;

/// What a unit describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is what it is called")]
pub enum Kind {
    Artifact,
    Image,
    Volume,
    Network,
    Build,
    Container,
    Kube,
    Pod,
}

impl Kind {
    /// In the order in which their services are made: what others stand on first.
    pub const ALL: [Self; 8] =
        [Self::Artifact, Self::Image, Self::Volume, Self::Network, Self::Build, Self::Container, Self::Kube, Self::Pod];

    /// What its files' names end in, without the dot.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Artifact => "artifact",
            Self::Image => "image",
            Self::Volume => "volume",
            Self::Network => "network",
            Self::Build => "build",
            Self::Container => "container",
            Self::Kube => "kube",
            Self::Pod => "pod",
        }
    }

    /// Its section.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Artifact => "Artifact",
            Self::Image => "Image",
            Self::Volume => "Volume",
            Self::Network => "Network",
            Self::Build => "Build",
            Self::Container => "Container",
            Self::Kube => "Kube",
            Self::Pod => "Pod",
        }
    }

    /// What its section is called in the service, where systemd is to pass over it.
    pub const fn kept_section(self) -> &'static str {
        match self {
            Self::Artifact => "X-Artifact",
            Self::Image => "X-Image",
            Self::Volume => "X-Volume",
            Self::Network => "X-Network",
            Self::Build => "X-Build",
            Self::Container => "X-Container",
            Self::Kube => "X-Kube",
            Self::Pod => "X-Pod",
        }
    }

    /// What comes between the unit's name and `.service`.
    pub const fn service_suffix(self) -> &'static str {
        match self {
            Self::Container | Self::Kube => "",
            Self::Artifact => "-artifact",
            Self::Image => "-image",
            Self::Volume => "-volume",
            Self::Network => "-network",
            Self::Build => "-build",
            Self::Pod => "-pod",
        }
    }
}

/// The name of a unit: `web.container`, `web@.container`, `web@8080.container`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName {
    stem: String,
    kind: Kind,
}

impl UnitName {
    /// The name in a file's name; nothing for files that are no units.
    pub fn parse(file_name: &str) -> Option<Self> {
        let (stem, suffix) = file_name.rsplit_once('.')?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.suffix() == suffix)?;
        (!stem.is_empty() && !stem.contains('/')).then(|| Self { stem: stem.to_owned(), kind })
    }

    /// What it describes.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Without the suffix: `web@8080`.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// What stands before and after the `@`: `("web", "8080")`; the second is empty for a template.
    pub(crate) fn instance(&self) -> Option<(&str, &str)> {
        self.stem.split_once('@')
    }

    /// Whether units with an instance's name are made of it.
    pub fn is_template(&self) -> bool {
        self.instance().is_some_and(|(_, instance)| instance.is_empty())
    }

    /// Whether it is a template or made of one.
    pub fn has_instance(&self) -> bool {
        self.instance().is_some()
    }

    /// The template that it is made of: `web@.container`.
    pub fn template(&self) -> Option<Self> {
        let (base, instance) = self.instance()?;
        (!instance.is_empty()).then(|| Self { stem: format!("{base}@"), kind: self.kind })
    }

    /// The folders of its drop-ins, nearest first: its own, its template's, those of its name cut after each dash (of a template's, with the
    /// `@` and without), its kind's.
    pub fn drop_in_folders(&self) -> Vec<String> {
        let suffix = self.kind.suffix();
        let mut folders = vec![format!("{}.{suffix}.d", self.stem)];
        folders.extend(self.template().map(|template| format!("{}.{suffix}.d", template.stem)));
        let base = self.instance().map_or(self.stem.as_str(), |(base, _)| base);
        let dashes = base.match_indices('-').map(|(at, _)| &base[..=at]).filter(|cut| cut.len() < base.len());
        for cut in dashes.rev() {
            folders.extend(self.has_instance().then(|| format!("{cut}@.{suffix}.d")));
            folders.push(format!("{cut}.{suffix}.d"));
        }
        folders.push(format!("{suffix}.d"));
        folders
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.stem, self.kind.suffix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_s_drop_ins_are_looked_for_from_its_own_folder_to_its_kind_s() {
        let folders = |name: &str| UnitName::parse(name).unwrap().drop_in_folders().join(" ");
        assert_eq!(folders("a-b-c.pod"), "a-b-c.pod.d a-b-.pod.d a-.pod.d pod.d");
        assert_eq!(folders("x-y@1.kube"), "x-y@1.kube.d x-y@.kube.d x-@.kube.d x-.kube.d kube.d");
        assert_eq!(folders("x@.volume"), "x@.volume.d volume.d");
    }

    #[test]
    fn what_has_no_suffix_of_a_kind_is_no_unit() {
        for name in ["a.service", "container", ".container", "a.container.d", ""] {
            assert_eq!(UnitName::parse(name), None, "{name}");
        }
    }
}
