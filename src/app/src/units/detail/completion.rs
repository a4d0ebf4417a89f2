// SPDX-License-Identifier: GPL-3.0-or-later
//! What may come where one types in a unit: the keys of the section, and the values that a key is likely to have.

use std::rc::Rc;

use haulout_quadlet::form::Field;
use relm4::gtk::glib;
use relm4::gtk::subclass::prelude::*;

use crate::connection::UnitKind;
use crate::model::{Model, short_image};
use crate::widgets::offer::Choice;

/// So many are offered at most.
const MOST: usize = 200;

/// Keys of systemd's own sections that people set in units (systemd.unit(5), systemd.service(5)).
const UNIT: &[&str] = &[
    "After",
    "Before",
    "BindsTo",
    "Conflicts",
    "Description",
    "Documentation",
    "OnFailure",
    "PartOf",
    "Requires",
    "StartLimitBurst",
    "StartLimitIntervalSec",
    "Upholds",
    "Wants",
];
const SERVICE: &[&str] = &[
    "Environment",
    "EnvironmentFile",
    "ExecReload",
    "ExecStartPost",
    "ExecStartPre",
    "ExecStopPost",
    "Restart",
    "RestartSec",
    "SuccessExitStatus",
    "TimeoutStartSec",
    "TimeoutStopSec",
];
const INSTALL: &[&str] = &["Alias", "DefaultInstance", "RequiredBy", "UpheldBy", "WantedBy"];

/// Where the cursor is: in which section, and of which key in the value.
#[derive(Debug, PartialEq, Eq)]
pub struct Spot {
    section: String,
    key: Option<String>,
    /// What is typed already of what may come.
    begun: String,
}

impl Spot {
    /// Of the end of `before`, the text before the cursor; nothing in comments and section names.
    pub fn at_end_of(before: &str) -> Option<Self> {
        let mut lines = before.rsplit('\n');
        let line = lines.next().unwrap_or_default();
        if line.trim_start().starts_with(['#', ';', '[']) {
            return None;
        }
        let section = lines.find_map(|line| line.trim().strip_prefix('[')?.strip_suffix(']'))?.to_owned();
        let (key, rest) = match line.split_once('=') {
            Some((key, value)) => (Some(key.trim().to_owned()), value),
            None => (None, line.trim_start()),
        };
        let begun = rest.rsplit([' ', '\t', ',']).next().unwrap_or_default();
        Some(Self { section, key, begun: begun.to_owned() })
    }

    /// What may come here in a unit of `kind`, the likelier first.
    pub fn offers(&self, kind: UnitKind, model: &Model) -> Vec<String> {
        let all: Vec<String> = match &self.key {
            None => self.keys(kind).into_iter().map(|key| format!("{key}=")).collect(),
            Some(key) => values(&self.section, key, model),
        };
        let begun = self.begun.to_lowercase();
        let (mut first, then): (Vec<String>, Vec<String>) = all
            .into_iter()
            .filter(|offer| offer.to_lowercase().contains(&begun) && *offer != self.begun)
            .partition(|offer| offer.to_lowercase().starts_with(&begun));
        first.extend(then);
        first.truncate(MOST);
        first
    }

    fn keys(&self, kind: UnitKind) -> Vec<&'static str> {
        match self.section.as_str() {
            "Unit" => UNIT.to_vec(),
            "Service" => SERVICE.to_vec(),
            "Install" => INSTALL.to_vec(),
            section => kind.keys_of(section).unwrap_or_default().iter().map(|key| key.name).collect(),
        }
    }
}

/// What is offered for a field of the form, asked anew each time.
pub type OffersOf = Rc<dyn Fn() -> Vec<Choice>>;

/// What a field may be chosen from beside being typed; nothing where there is never anything.
pub fn offers_of(field: &Field, model: &Rc<Model>) -> Option<OffersOf> {
    if !matches!(field.key, "Image" | "Network" | "Pod") {
        return None;
    }
    let (field, model) = (*field, model.clone());
    Some(Rc::new(move || {
        let values = values(field.section, field.key, &model);
        values.into_iter().map(|value| (short_image(&value).to_owned(), value)).collect()
    }))
}

fn values(section: &str, key: &str, model: &Model) -> Vec<String> {
    let fixed = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let units = |kinds: &[UnitKind]| {
        let known = model.units.all().into_iter().filter_map(|item| item.data());
        let mut names: Vec<String> = known.filter(|unit| kinds.contains(&unit.kind)).map(|unit| unit.name).collect();
        names.sort();
        names
    };
    match (section, key) {
        (_, "Image") => {
            let mut names: Vec<String> =
                model.images.all().into_iter().filter_map(|item| item.data()).flat_map(|image| image.names).collect();
            names.sort();
            names.extend(units(&[UnitKind::Image, UnitKind::Build]));
            names
        }
        (_, "Network") => [units(&[UnitKind::Network]), fixed(&["host", "none", "pasta"])].concat(),
        (_, "Volume") => units(&[UnitKind::Volume]).into_iter().map(|name| format!("{name}:")).collect(),
        (_, "Pod") => units(&[UnitKind::Pod]),
        (
            "Unit",
            "After" | "Before" | "BindsTo" | "PartOf" | "Requires" | "Upholds" | "Wants" | "Conflicts" | "OnFailure",
        ) => [units(&UnitKind::ALL), fixed(&["network-online.target"])].concat(),
        ("Install", _) => fixed(&["default.target", "graphical-session.target", "timers.target"]),
        (_, "AutoUpdate") => fixed(&["registry", "local", "notify"]),
        (_, "Notify") => fixed(&["healthy", "true", "false"]),
        (_, "Pull") => fixed(&["missing", "newer", "always", "never"]),
        (_, "Restart") => fixed(&["on-failure", "always", "no"]),
        (_, "UserNS") => fixed(&["keep-id", "auto", "nomap", "host"]),
        (_, "LogDriver") => fixed(&["journald", "k8s-file", "none", "passthrough"]),
        _ => Vec::new(),
    }
}

mod imp {
    use std::cell::OnceCell;
    use std::future::{Future, ready};
    use std::pin::Pin;
    use std::rc::Rc;

    use relm4::gtk::prelude::*;
    use relm4::gtk::subclass::prelude::*;
    use relm4::gtk::{self, gio, glib};
    use sourceview5::subclass::prelude::*;

    use super::{Model, Spot, UnitKind};

    #[derive(Default)]
    pub struct Offer {
        pub text: OnceCell<String>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Offer {
        const NAME: &'static str = "HauloutUnitOffer";
        type Type = super::Offer;
        type Interfaces = (sourceview5::CompletionProposal,);
    }

    impl ObjectImpl for Offer {}
    impl CompletionProposalImpl for Offer {}

    #[derive(Default)]
    pub struct Offers {
        pub of: OnceCell<(UnitKind, Rc<Model>)>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Offers {
        const NAME: &'static str = "HauloutUnitOffers";
        type Type = super::Offers;
        type Interfaces = (sourceview5::CompletionProvider,);
    }

    impl ObjectImpl for Offers {}

    impl CompletionProviderImpl for Offers {
        fn title(&self) -> Option<glib::GString> {
            None
        }

        fn is_trigger(&self, _: &gtk::TextIter, typed: char) -> bool {
            typed == '='
        }

        fn populate(&self, context: &sourceview5::CompletionContext) -> Result<gio::ListModel, glib::Error> {
            let list = gio::ListStore::new::<super::Offer>();
            self.fill(&list, context);
            Ok(list.upcast())
        }

        fn populate_future(
            &self,
            context: &sourceview5::CompletionContext,
        ) -> Pin<Box<dyn Future<Output = Result<gio::ListModel, glib::Error>>>> {
            Box::pin(ready(self.populate(context)))
        }

        fn refilter(&self, context: &sourceview5::CompletionContext, model: &gio::ListModel) {
            if let Some(list) = model.downcast_ref::<gio::ListStore>() {
                self.fill(list, context);
            }
        }

        fn display(
            &self,
            _: &sourceview5::CompletionContext,
            proposal: &sourceview5::CompletionProposal,
            cell: &sourceview5::CompletionCell,
        ) {
            if cell.column() == sourceview5::CompletionColumn::TypedText {
                let text = proposal.downcast_ref::<super::Offer>().map(super::Offer::text);
                cell.set_text(text.map(|text| text.trim_end_matches('=').to_owned()).as_deref());
            }
        }

        fn activate(&self, context: &sourceview5::CompletionContext, proposal: &sourceview5::CompletionProposal) {
            let (Some(offer), Some(buffer)) = (proposal.downcast_ref::<super::Offer>(), context.buffer()) else {
                return;
            };
            let mut end = cursor(&buffer);
            let Some(spot) = Spot::at_end_of(&before(&buffer, &end)) else { return };
            let mut begin = end;
            begin.backward_chars(i32::try_from(spot.begun.chars().count()).unwrap_or_default());
            buffer.begin_user_action();
            buffer.delete(&mut begin, &mut end);
            buffer.insert(&mut begin, offer.text());
            buffer.end_user_action();
        }
    }

    impl Offers {
        fn fill(&self, list: &gio::ListStore, context: &sourceview5::CompletionContext) {
            let Some((kind, model)) = self.of.get() else { return };
            let spot = context.buffer().and_then(|buffer| Spot::at_end_of(&before(&buffer, &cursor(&buffer))));
            let offers = spot.map(|spot| spot.offers(*kind, model)).unwrap_or_default();
            let offers: Vec<super::Offer> = offers.into_iter().map(super::Offer::of).collect();
            list.splice(0, list.n_items(), &offers);
        }
    }

    fn cursor(buffer: &sourceview5::Buffer) -> gtk::TextIter {
        buffer.iter_at_mark(&buffer.get_insert())
    }

    fn before(buffer: &sourceview5::Buffer, end: &gtk::TextIter) -> String {
        buffer.text(&buffer.start_iter(), end, true).into()
    }
}

glib::wrapper! {
    /// One of them.
    pub struct Offer(ObjectSubclass<imp::Offer>) @implements sourceview5::CompletionProposal;
}

glib::wrapper! {
    /// All of them, for a view.
    pub struct Offers(ObjectSubclass<imp::Offers>) @implements sourceview5::CompletionProvider;
}

impl Offer {
    fn of(text: String) -> Self {
        let offer: Self = glib::Object::new();
        let _ = offer.imp().text.set(text);
        offer
    }

    fn text(&self) -> &str {
        self.imp().text.get().map_or("", String::as_str)
    }
}

impl Offers {
    /// For a unit of `kind`, with what `model` has.
    pub fn of(kind: UnitKind, model: Rc<Model>) -> Self {
        let offers: Self = glib::Object::new();
        let _ = offers.imp().of.set((kind, model));
        offers
    }
}

#[cfg(test)]
mod tests {
    use super::Spot;

    #[test]
    fn where_the_cursor_is_says_what_may_come() {
        let spot = |before: &str| Spot::at_end_of(before).map(|spot| (spot.section, spot.key, spot.begun));
        let of = |section: &str, key: Option<&str>, begun: &str| {
            Some((section.to_owned(), key.map(str::to_owned), begun.to_owned()))
        };
        assert_eq!(spot("[Unit]\nA=b\n[Container]\nPub"), of("Container", None, "Pub"));
        assert_eq!(spot("[Unit]\nAfter=a.service b.se"), of("Unit", Some("After"), "b.se"));
        assert_eq!(spot("[Container]\nImage=docker.io/lib"), of("Container", Some("Image"), "docker.io/lib"));
        assert_eq!(spot("[Container]\n# Im"), None);
        assert_eq!(spot("Im"), None);
    }
}
