// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which distribution this is (os-release(5)), and how it installs programs.

use std::fs;
use std::path::Path;

use super::Piece;

/// A family of distributions: those that share a package manager and names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distribution {
    /// Debian, Ubuntu and theirs: apt.
    Debian,
    /// Fedora, `CentOS`, RHEL and theirs: dnf.
    Fedora,
    /// Arch and its like: pacman.
    Arch,
    /// The SUSE family: zypper.
    Suse,
    /// Alpine and postmarketOS: apk.
    Alpine,
    /// Any other.
    Other,
}

impl Distribution {
    /// As `etc/os-release` (else `usr/lib/os-release`) below `root` says: its own name, else whose like it is.
    pub fn read(root: &Path) -> Self {
        let read = |path| fs::read_to_string(root.join(path)).ok();
        let text = read("etc/os-release").or_else(|| read("usr/lib/os-release")).unwrap_or_default();
        Self::of(&text)
    }

    fn of(os_release: &str) -> Self {
        let value = |key: &str| {
            os_release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('=')).unwrap_or_default()
        };
        let quotes = |character| character == '"' || character == '\'';
        let names = [value("ID"), value("ID_LIKE")];
        let mut names = names.iter().flat_map(|names| names.trim_matches(quotes).split_ascii_whitespace());
        names.find_map(Self::by_name).unwrap_or(Self::Other)
    }

    fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "debian" | "ubuntu" => Self::Debian,
            "fedora" | "rhel" | "centos" => Self::Fedora,
            "arch" => Self::Arch,
            "suse" | "opensuse" | "sles" => Self::Suse,
            name if name.starts_with("opensuse-") => Self::Suse,
            "alpine" => Self::Alpine,
            _ => return None,
        })
    }

    /// The command that installs what has `program`; nothing where that is not known. Only Debian's was tried.
    pub(super) fn install(self, piece: Piece, program: &str) -> Option<String> {
        let command = match self {
            Self::Debian => "sudo apt install",
            Self::Fedora => "sudo dnf install",
            Self::Arch => "sudo pacman -S --needed",
            Self::Suse => "sudo zypper install",
            Self::Alpine => "sudo apk add",
            Self::Other => return None,
        };
        let package = match (piece, self) {
            (Piece::IdMappers, Self::Debian) => "uidmap",
            (Piece::IdMappers, Self::Fedora) => "shadow-utils",
            (Piece::IdMappers, Self::Alpine) => "shadow-uidmap",
            (Piece::IdMappers, _) => "shadow",
            (Piece::Network, _) => "passt",
            _ => program,
        };
        Some(format!("{command} {package}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_known_by_its_name_or_by_whose_like_it_is() {
        for (text, expected) in [
            ("NAME=\"Debian GNU/Linux\"\nID=debian\n", Distribution::Debian),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Distribution::Debian),
            ("ID=\"fedora\"\n", Distribution::Fedora),
            ("ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\n", Distribution::Fedora),
            ("ID=endeavouros\nID_LIKE='arch'\n", Distribution::Arch),
            ("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\n", Distribution::Suse),
            ("ID=postmarketos\nID_LIKE=alpine\n", Distribution::Alpine),
            ("ID=nixos\nVERSION_ID=debian\n", Distribution::Other),
            ("", Distribution::Other),
        ] {
            assert_eq!(Distribution::of(text), expected, "{text}");
        }
    }
}
