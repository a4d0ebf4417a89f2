// SPDX-License-Identifier: GPL-3.0-or-later
//! What the window knows: one list store per noun, of objects that stay as long as the thing they stand for, so that a
//! row keeps its widget, its selection and its focus. Filled once, then kept by what the engine says has changed.

/// The class of an object behind a row; `imp` has what it consists of, and among that, as `data`, what was told of the thing.
macro_rules! item_class {
    ($(#[$about:meta])* $item:ident of $data:ty, named $name:literal) => {
        glib::wrapper! {
            $(#[$about])*
            pub struct $item(ObjectSubclass<imp::$item>);
        }

        use imp::$item as Imp;

        #[glib::object_subclass]
        impl ObjectSubclass for Imp {
            const NAME: &'static str = $name;
            type Type = $item;
        }

        #[glib::derived_properties]
        impl ObjectImpl for Imp {}

        impl $item {
            /// As it was told last.
            pub fn data(&self) -> Option<$data> {
                self.imp().data.borrow().clone()
            }
        }
    };
}

mod container;
mod followed;
mod image;
mod kept;
mod keyed;
mod stage;
mod unit;
mod units;
mod unsaved;
mod update;
mod updates;
mod watched;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};

use relm4::gtk::glib;
use relm4::gtk::prelude::*;

pub use container::{ContainerItem, short_image, shown_port, state_word};
pub use followed::Followed;
pub use image::{ImageItem, short_id};
use kept::{Keeper, keep};
pub use keyed::{Item as KeyedItem, Keyed};
pub use stage::{Phase, Stage};
pub use unit::{UnitItem, kind_word};
pub use unsaved::Unsaved;
pub use update::{UpdateItem, short_digest};
pub use updates::UpdateRun;
pub use watched::Watched;

use crate::connection::{Boot, Change, Container, Failure, Flow, Maker, PastUpdate, Schedule, Shared};
use crate::measure;

/// So many changed containers at once are asked for one by one; more by one list.
const ONE_BY_ONE: usize = 8;

/// Whoever was heard for so long may be asked again without anybody being told.
const WELL: Duration = Duration::from_secs(5);

/// The model of one engine.
pub struct Model {
    connection: Shared,
    pub containers: Keyed<ContainerItem>,
    pub images: Keyed<ImageItem>,
    pub units: Keyed<UnitItem>,
    /// What holds for all units.
    pub all_units: RefCell<AllUnits>,
    /// How often units were listed: files may say something else than they did, though nothing in a list does.
    pub units_listed: Watched<u64>,
    pub unsaved: Unsaved,
    /// Of containers and images.
    pub stage: Stage,
    pub unit_stage: Stage,
    pub updates: Keyed<UpdateItem>,
    pub update_stage: Stage,
    /// How many updates there are to do.
    pub to_do: Watched<u32>,
    /// What was done, the newest first.
    pub past_updates: Watched<Rc<Vec<PastUpdate>>>,
    /// When updates are made by themselves; nothing when nobody knows.
    pub schedule: Watched<Option<Schedule>>,
    /// What this app does about updates now.
    pub update_run: Watched<Option<UpdateRun>>,
    keeper: Keeper,
    unit_keeper: Keeper,
    update_keeper: Keeper,
    /// What this app does about updates.
    update_task: Cell<Option<glib::JoinHandle<()>>>,
    /// Whether the page of updates is what the window shows.
    pub shows_updates: Cell<bool>,
}

/// What holds for all units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllUnits {
    pub boot: Boot,
    pub maker: Maker,
}

impl Model {
    /// Empty, and filling itself.
    pub fn of(connection: Shared) -> Rc<Self> {
        let model = Rc::new(Self {
            connection,
            containers: Keyed::new(),
            images: Keyed::new(),
            units: Keyed::new(),
            all_units: RefCell::new(AllUnits { boot: Boot::Unknown, maker: Maker::Haulout }),
            units_listed: Watched::new(0),
            unsaved: Unsaved::default(),
            stage: Stage::new(),
            unit_stage: Stage::new(),
            updates: Keyed::new(),
            update_stage: Stage::new(),
            to_do: Watched::new(0),
            past_updates: Watched::new(Rc::default()),
            schedule: Watched::new(None),
            update_run: Watched::new(None),
            keeper: Keeper::default(),
            unit_keeper: Keeper::default(),
            update_keeper: Keeper::default(),
            update_task: Cell::default(),
            shows_updates: Cell::new(false),
        });
        model.fill();
        model
    }

    /// Lists everything (again) and follows from there.
    pub fn fill(self: &Rc<Self>) {
        self.keeper.begin(self.clone().follow());
    }

    /// Follows no more: its window is gone.
    pub fn stop(&self) {
        for keeper in [&self.keeper, &self.unit_keeper, &self.update_keeper] {
            keeper.end();
        }
        self.stage.forget();
        self.unit_stage.forget();
        self.update_stage.forget();
        self.units_listed.forget();
        self.to_do.forget();
        self.past_updates.forget();
        self.schedule.forget();
        self.update_run.forget();
    }

    /// Asks for one container now, without waiting for the event. A failure shows with the next event.
    pub async fn refresh(&self, id: &str) {
        let _ = self.ask_for(id).await;
    }

    /// Says ages anew: the time went on.
    pub fn tick(&self) {
        let now = measure::now();
        for container in self.containers.all() {
            container.grow_old(now);
        }
        for image in self.images.all() {
            image.grow_old(now);
        }
        for update in self.updates.all() {
            update.grow_old(now);
        }
    }

    async fn follow(self: Rc<Self>) {
        loop {
            let begun = Instant::now();
            // Before the list: what changes while it is made is heard of.
            let changes = self.connection.changes();
            let listed = async { self.list_containers().await.and(self.list_images().await) }.await;
            // Units and updates come after what the window begins with.
            self.begin_units();
            self.begin_updates();
            if let Err(failure) = listed {
                self.stage.enter(Phase::Failed(failure));
                return;
            }
            self.stage.enter(Phase::Live);
            let failure = self.apply(&changes).await;
            // What went well for a while is begun anew (the worker may have been killed, and is another one now); what
            // fails at once is told.
            if begun.elapsed() < WELL {
                self.stage.enter(Phase::Stale(failure));
                return;
            }
        }
    }

    /// Applies what comes until nothing comes any more; answers why.
    async fn apply(&self, changes: &Flow<Change>) -> Failure {
        loop {
            let mut containers = BTreeSet::new();
            let mut images = false;
            let mut next = changes.next().await;
            // Whatever else is here already belongs to the same update.
            while let Some(change) = next {
                match change {
                    Ok(Change::Container(id)) => {
                        containers.insert(id);
                    }
                    Ok(Change::Images) => images = true,
                    Err(failure) => return failure,
                }
                next = changes.ready();
            }
            if containers.is_empty() && !images {
                return Failure { reason: crate::connection::Reason::Other, details: Vec::new() };
            }
            let applied = async {
                if containers.len() > ONE_BY_ONE {
                    self.list_containers().await?;
                } else {
                    for id in &containers {
                        self.ask_for(id).await?;
                    }
                }
                if images { self.list_images().await } else { Ok(()) }
            };
            if let Err(failure) = applied.await {
                return failure;
            }
        }
    }

    async fn list_containers(&self) -> Result<(), Failure> {
        let list = self.connection.containers().await?;
        self.containers.replace(list);
        self.count_uses();
        Ok(())
    }

    async fn list_images(&self) -> Result<(), Failure> {
        let list = self.connection.images().await?;
        self.images.replace(list);
        self.count_uses();
        Ok(())
    }

    async fn ask_for(&self, id: &str) -> Result<(), Failure> {
        match self.connection.container(id).await? {
            Some(container) => self.containers.put(container),
            None => self.containers.remove(id),
        }
        self.count_uses();
        Ok(())
    }

    /// The names of the images that are here, as people say them and whole.
    pub fn image_names(&self) -> Vec<(String, String)> {
        let mut names: Vec<String> =
            self.images.all().iter().filter_map(ImageItem::data).flat_map(|image| image.names).collect();
        names.sort();
        names.into_iter().map(|name| (short_image(&name).to_owned(), name)).collect()
    }

    /// How many containers are made from each image.
    fn count_uses(&self) {
        let mut uses: HashMap<String, u32> = HashMap::new();
        for item in self.containers.all() {
            if let Some(Container { image_id, .. }) = item.data() {
                *uses.entry(image_id).or_default() += 1;
            }
        }
        for image in self.images.all() {
            image.put_uses(uses.get(&image.id()).copied().unwrap_or_default());
        }
    }
}

/// Whether every word of `sought` is in one of the texts, whatever the case.
pub fn matches(sought: &str, texts: &[&str]) -> bool {
    let texts: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
    sought.to_lowercase().split_whitespace().all(|word| texts.iter().any(|text| text.contains(word)))
}

/// Says the state of a thing: in a word, which is what is being done to it while something is, and with `more` in the second line of a
/// narrow row.
fn put_state(object: &impl IsA<glib::Object>, busy: &str, word: impl FnOnce() -> String, more: &str) {
    let word = if busy.is_empty() { word() } else { busy.to_owned() };
    put(object, "state-word", &word);
    put(object, "summary", &format!("{word} · {more}"));
}

/// Sets a text property that changed; one that did not makes nobody draw.
fn put(object: &impl IsA<glib::Object>, property: &str, value: &str) {
    if object.property::<String>(property) != value {
        object.set_property(property, value);
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn every_word_has_to_be_somewhere() {
        assert!(matches("web NGI", &["Web-1", "docker.io/library/nginx"]));
        assert!(!matches("web redis", &["Web-1", "docker.io/library/nginx"]));
        assert!(matches("", &["anything"]));
    }
}
