// SPDX-License-Identifier: GPL-3.0-or-later
//! The one place where what went wrong turns into what a person reads: what happened, to what, and what to do.

use gettextrs::gettext;

use crate::connection::{Action, Failure, Missing, Piece, Reason};
use crate::language::fill;

/// What was being done when it went wrong, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    Listing,
    Following,
    Act(Action, String),
    Creating,
    Starting(String),
    /// A container that has no name of its own yet.
    StartingNew,
    Pulling(String),
    RemovingImage(String),
    Tagging(String),
    Inspecting(String),
    ReadingLog(String),
    OpeningTerminal(String),
    ListingUnits,
    ReadingUnit(String),
    WritingUnit(String),
    RemovingUnit(String),
    ActOnUnit(Action, String),
    /// A unit of this container.
    DraftingUnit(String),
    /// Whether services start at boot.
    ChangingBoot,
    ListingUpdates,
    CheckingUpdates,
    Updating,
    RollingBack(String),
    KeepingUpToDate(String),
    Holding(String),
    Releasing(String),
    /// Whether updates are made by themselves.
    ChangingTimer,
}

/// A failure in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// What could not be done to what.
    pub title: String,
    /// Why, and what to do.
    pub body: String,
    /// What the engine said, for those who want to know or to ask.
    pub details: String,
}

/// Says what `failure` is when it met `doing`.
pub fn words(doing: &Doing, failure: &Failure) -> Words {
    Words { title: title(doing), body: body(doing, failure), details: failure.details.join("\n") }
}

fn title(doing: &Doing) -> String {
    let (text, name) = match doing {
        Doing::Listing => return gettext("Could Not Read Containers and Images"),
        Doing::Following => return gettext("Live Updates Have Stopped"),
        Doing::Creating => return gettext("Could Not Create the Container"),
        Doing::StartingNew => return gettext("Could Not Start the Container"),
        Doing::ListingUnits => return gettext("Could Not Read the Units"),
        Doing::ListingUpdates => return gettext("Could Not Read the Updates"),
        Doing::CheckingUpdates => return gettext("Could Not Look for Some Updates"),
        Doing::Updating => return gettext("Could Not Update"),
        Doing::ChangingTimer => return gettext("Could Not Change Whether Updates Are Made by Themselves"),
        Doing::RollingBack(name) => (gettext("Could Not Roll Back “{}”"), name),
        Doing::KeepingUpToDate(name) => (gettext("Could Not Keep “{}” Up to Date"), name),
        Doing::Holding(name) => (gettext("Could Not Hold “{}”"), name),
        Doing::Releasing(name) => (gettext("Could Not Release “{}”"), name),
        Doing::ChangingBoot => return gettext("Could Not Change What Starts at Boot"),
        Doing::Act(Action::Start, name) | Doing::Starting(name) | Doing::ActOnUnit(Action::Start, name) => {
            (gettext("Could Not Start “{}”"), name)
        }
        Doing::Act(Action::Stop, name) | Doing::ActOnUnit(Action::Stop, name) => (gettext("Could Not Stop “{}”"), name),
        Doing::Act(Action::Restart, name) | Doing::ActOnUnit(Action::Restart, name) => {
            (gettext("Could Not Restart “{}”"), name)
        }
        Doing::Act(Action::Kill, name) | Doing::ActOnUnit(Action::Kill, name) => (gettext("Could Not Kill “{}”"), name),
        Doing::Act(Action::Remove, name)
        | Doing::ActOnUnit(Action::Remove, name)
        | Doing::RemovingImage(name)
        | Doing::RemovingUnit(name) => (gettext("Could Not Remove “{}”"), name),
        Doing::DraftingUnit(name) => (gettext("Could Not Make a Unit of “{}”"), name),
        Doing::Pulling(name) => (gettext("Could Not Pull “{}”"), name),
        Doing::Tagging(name) => (gettext("Could Not Name the Image “{}”"), name),
        Doing::WritingUnit(name) => (gettext("Could Not Save “{}”"), name),
        Doing::Inspecting(name) | Doing::ReadingUnit(name) => (gettext("Could Not Read “{}”"), name),
        Doing::ReadingLog(name) => (gettext("Could Not Read the Log of “{}”"), name),
        Doing::OpeningTerminal(name) => (gettext("Could Not Open a Terminal in “{}”"), name),
    };
    fill(&text, &[name])
}

fn body(doing: &Doing, failure: &Failure) -> String {
    let said = || failure.details.join(": ");
    match &failure.reason {
        Reason::Gone => gettext("It is not there any more. It may have been removed in a terminal."),
        Reason::NameInUse(name) => fill(
            &gettext("Another container is called “{}”. Choose another name, or remove that container first."),
            &[name],
        ),
        Reason::ImageInUse(containers) => fill(
            &gettext("Containers are made from it: {}. Remove them first."),
            &[&containers.split(',').map(|id| short(id.trim())).collect::<Vec<_>>().join(", ")],
        ),
        Reason::NotStarted(127) => {
            gettext("Its command was not found in the image. Check the command for a typing mistake.")
        }
        Reason::NotStarted(126) => gettext("Its command is there, but it may not be run. Check that it is a program."),
        Reason::PortInUse(port) => fill(
            &gettext(
                "Another program or container of this computer listens on port {} already. Stop it, or publish another port.",
            ),
            &[&port.to_string()],
        ),
        Reason::PortForbidden(port) => fill(
            &gettext("Port {} of this computer is reserved for the system. Publish a higher one, from 1024 on."),
            &[&port.to_string()],
        ),
        Reason::Unreachable(registry) => fill(
            &gettext("The registry {} does not answer. Check the name of the image and the network, then try again."),
            &[registry],
        ),
        Reason::NotInRegistry => gettext(
            "The registry has no image of this name and tag, or does not show it to everybody. Check the name for a typing mistake.",
        ),
        Reason::Damaged => gettext("What the registry sent is not what it had promised. Nothing of it was kept."),
        Reason::UnitFailed(result) => match result.as_str() {
            "timeout" => gettext("It took longer than it may. Its journal tells how far it came."),
            "dependency" => gettext("A unit that it needs did not start. Look at the units that it names."),
            "canceled" => gettext("Something else was asked of it before it was done."),
            _ => gettext("It ended with a failure. The last lines of its journal are in the details."),
        },
        Reason::NotLoaded => gettext(
            "systemd has no service of it. Look for mistakes on its page; they are told there with their lines.",
        ),
        Reason::Changed => {
            gettext("Somebody else has changed the file meanwhile. Open it again to see what it says now.")
        }
        Reason::Exists => gettext("There is a unit of this name already. Choose another name."),
        Reason::NotOwn => gettext(
            "It belongs to the system, or to a file with several units. Copy it to a unit of yours to change it.",
        ),
        Reason::NoManager => gettext(
            "The service manager of your session (systemd --user) does not answer. Units need it; containers run without it.",
        ),
        Reason::NobodyAsks => gettext(
            "This needs a password, and nothing in your session asks for one. An administrator can do it with the command in the details.",
        ),
        Reason::NotAnswered => gettext("This needs a password, and the right one was not given."),
        Reason::Forbidden => gettext(
            "The administrator of this computer does not allow this. They can do it for you with the command in the details.",
        ),
        Reason::NotUpdated => gettext(
            "It goes on with the image that it has. What was found is in the details; check again once that is mended.",
        ),
        Reason::NoWorker => gettext(
            "The program “haulout”, which enters the user namespace, was not found or has ended. Install it beside the app, then try again.",
        ),
        Reason::System if matches!(doing, Doing::Listing) => {
            gettext("The folder with containers and images could not be read.")
        }
        _ if failure.details.is_empty() => match doing {
            Doing::Following => gettext("What is shown may be out of date."),
            _ => gettext("The reason is not known."),
        },
        _ => said(),
    }
}

/// What a piece that the machine lacks is, and why it is needed.
pub fn lacking(missing: &Missing) -> Words {
    let (title, why) = match missing.piece {
        Piece::IdMappers => (
            fill(&gettext("Programs Are Missing: {}"), &[&missing.name]),
            gettext("They give the users of a container their IDs on this computer."),
        ),
        Piece::IdMappersPrivilege => (
            gettext("Programs Lack a Privilege"),
            gettext("Those that give the users of a container their IDs may not do so here."),
        ),
        Piece::SubordinateIds => (
            gettext("No Subordinate IDs"),
            gettext(
                "The users of a container get their IDs on this computer from a range that is set aside for you. None is.",
            ),
        ),
        Piece::Runtime => (
            fill(&gettext("A Program Is Missing: {}"), &[&missing.name]),
            gettext("It starts the processes of containers."),
        ),
        Piece::Network => (
            fill(&gettext("Missing for the Network: {}"), &[&missing.name]),
            gettext("It connects containers to the network. Without it, only containers without a network can run."),
        ),
        Piece::UserNamespaces => (
            gettext("User Namespaces Are Forbidden"),
            gettext(
                "Containers of an ordinary user live in a user namespace, and a setting of this computer lets nobody make one.",
            ),
        ),
        Piece::AppArmor => (
            gettext("AppArmor Forbids User Namespaces"),
            gettext(
                "Containers of an ordinary user live in a user namespace, which AppArmor allows only to programs that have a profile.",
            ),
        ),
        Piece::Overlay => (
            gettext("No Overlay File System"),
            gettext("The files of a container are its image’s with its own changes over them."),
        ),
        Piece::RuntimeFolder => (
            gettext("No Runtime Folder"),
            gettext("It tells which containers run, and a login makes it. Without it, limits cannot be set."),
        ),
        Piece::UserManager => (
            gettext("No Service Manager of Yours"),
            gettext(
                "It gives each container its own place. Without it, limits cannot be set, and containers end with your session.",
            ),
        ),
        Piece::Other => (missing.name.clone(), missing.why.clone()),
    };
    Words { title, body: why, details: format!("{}: {}", missing.name, missing.why) }
}

fn short(id: &str) -> &str {
    if id.len() == 64 { &id[..12] } else { id }
}

#[cfg(test)]
mod tests {
    use super::{Doing, words};
    use crate::connection::{Action, Failure, Reason};

    #[test]
    fn what_the_engine_said_is_never_lost() {
        let failure = Failure { reason: Reason::Gone, details: vec!["outer".to_owned(), "inner".to_owned()] };
        let words = words(&Doing::Act(Action::Stop, "web".to_owned()), &failure);
        assert_eq!(words.title, "Could Not Stop “web”");
        assert_eq!(words.details, "outer\ninner");
    }

    #[test]
    fn an_unknown_failure_speaks_in_the_engine_s_own_words() {
        let failure = Failure { reason: Reason::Other, details: vec!["the disk is full".to_owned()] };
        assert_eq!(words(&Doing::Pulling("a".to_owned()), &failure).body, "the disk is full");
    }
}
