// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Other limits and another restart policy for a container that is there, running or not.

use haulout_monitor::frame::{Health, Kind, Update};

use super::health::HealthChanges;
use super::options::{Limits, Restart};
use super::{ContainerId, Containers};
use crate::engine::Error;
use crate::event;
use crate::spec::limits;

/// What is to be otherwise; what is not named stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// These limits.
    pub limits: Limits,
    /// Its restart policy.
    pub restart: Option<Restart>,
    /// How its health is checked.
    pub health: Option<HealthChanges>,
}

impl Containers {
    pub(super) async fn update_one(&self, id: &ContainerId, changes: Changes) -> Result<(), Error> {
        let options = self.record(id).await?.options;
        let wanted = options.limits.clone().changed(changes.limits.clone());
        let health = changes.health.map(|health| options.health.clone().changed(health)).transpose()?;
        if self.running(id).await?.process().is_some() {
            let update = Update {
                resources: resources(id, &changes.limits, &wanted, &options)?,
                restart: changes.restart.map(super::prepare::restart),
                health: health.as_ref().map(|health| match health.checks(id) {
                    Some(checks) => Health::Checked(Box::new(checks)),
                    None => Health::Unchecked,
                }),
            };
            let payload = serde_json::to_vec(&update).map_err(|error| Error::Io {
                doing: format!("writing what changes in container {id}"),
                source: error.into(),
            })?;
            self.change(id, Kind::Update, &payload).await?;
        }
        let wanted_id = *id;
        let changed = self.engine.state(move |database| {
            database.change_container(&wanted_id, |record| {
                let limits = std::mem::take(&mut record.options.limits);
                record.options.limits = limits.changed(changes.limits);
                if let Some(restart) = changes.restart {
                    record.options.restart = restart;
                }
                if let Some(health) = health {
                    record.options.health = health;
                }
            })
        });
        if changed.await?.is_none() {
            return Err(Error::NoSuchContainer(id.to_string()));
        }
        event::append(self.engine.paths(), &self.record(id).await?.event("update", None));
        Ok(())
    }
}

/// The limits that the runtime is to set, all that the container is to have: nothing when none of them changes.
fn resources(
    id: &ContainerId,
    changed: &Limits,
    all: &Limits,
    options: &super::Options,
) -> Result<Option<serde_json::Value>, Error> {
    if *changed == Limits::default() {
        return Ok(None);
    }
    // A start goes on without a limit that the machine cannot set; here nothing else is asked for.
    let controllers = limits::controllers(options.cgroups, options.cgroup_parent.as_deref());
    if let (_, Some(missing)) = limits::resources(changed, Some(0), &controllers)? {
        return Err(Error::Invalid(format!("updating container {id}: {missing}")));
    }
    let (resources, _) = limits::resources(all, Some(0), &controllers)?;
    let value = serde_json::to_value(resources);
    value
        .map(Some)
        .map_err(|error| Error::Io { doing: format!("writing the limits of container {id}"), source: error.into() })
}

impl Limits {
    /// These, but for what `changes` names.
    #[must_use]
    pub fn changed(mut self, changes: Self) -> Self {
        if changes.cpus.is_some() {
            self.cpu_quota = None;
            self.cpu_period = None;
        } else if (changes.cpu_quota.is_some() || changes.cpu_period.is_some())
            && let Some(cpus) = self.cpus.take()
        {
            let (quota, period) = limits::quota(cpus);
            self.cpu_quota = self.cpu_quota.or(Some(quota));
            self.cpu_period = self.cpu_period.or(Some(period));
        }
        Self {
            memory: changes.memory.or(self.memory),
            cpus: changes.cpus.or(self.cpus),
            pids: changes.pids.or(self.pids),
            memory_swap: changes.memory_swap.or(self.memory_swap),
            memory_reservation: changes.memory_reservation.or(self.memory_reservation),
            cpu_shares: changes.cpu_shares.or(self.cpu_shares),
            cpu_period: changes.cpu_period.or(self.cpu_period),
            cpu_quota: changes.cpu_quota.or(self.cpu_quota),
            cpuset_cpus: changes.cpuset_cpus.or(self.cpuset_cpus),
            cpuset_mems: changes.cpuset_mems.or(self.cpuset_mems),
            blkio_weight: changes.blkio_weight.or(self.blkio_weight),
            blkio_weights: or(changes.blkio_weights, self.blkio_weights),
            read_bytes: or(changes.read_bytes, self.read_bytes),
            write_bytes: or(changes.write_bytes, self.write_bytes),
            read_operations: or(changes.read_operations, self.read_operations),
            write_operations: or(changes.write_operations, self.write_operations),
            swappiness: changes.swappiness.or(self.swappiness),
            ..self
        }
    }
}

/// A list that was named, or the one that was there.
fn or<T>(changes: Vec<T>, old: Vec<T>) -> Vec<T> {
    if changes.is_empty() { old } else { changes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let old = Limits { memory: Some(1), pids: Some(2), ..Limits::default() };
        let new = old.clone().changed(Limits { pids: Some(-1), ..Limits::default() });
        assert_eq!(new, Limits { pids: Some(-1), ..old });
    }

    #[test]
    fn cpus_and_a_quota_replace_each_other() {
        let cpus = Limits { cpus: Some(2.0), ..Limits::default() };
        let quota = cpus.clone().changed(Limits { cpu_quota: Some(2000), ..Limits::default() });
        assert_eq!((quota.cpus, quota.cpu_quota, quota.cpu_period), (None, Some(2000), Some(100_000)));
        assert_eq!(quota.changed(cpus.clone()), cpus);
    }
}
