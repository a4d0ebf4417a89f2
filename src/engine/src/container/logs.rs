// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reading a container's log: the file that its monitor writes, or systemd's journal. That of a container that has the streams of its
//! unit's service is in the journal, too.

mod file;
mod journal;

use futures_util::stream::{BoxStream, StreamExt as _};
use journal::Which;

use super::options::LogDriver;
use super::prepare::log_file;
use super::{ContainerId, Containers, LogLine, LogOptions};
use crate::engine::Error;
use crate::update::UNIT;

impl Containers {
    pub(super) fn read_log(&self, id: &ContainerId, options: LogOptions) -> BoxStream<'static, Result<LogLine, Error>> {
        let (containers, id) = (self.clone(), *id);
        let stream = async_stream::try_stream! {
            let record = containers.record(&id).await?;
            let mut lines = match record.options.log.driver {
                LogDriver::Default | LogDriver::K8sFile | LogDriver::JsonFile => {
                    let log = log_file(containers.engine.paths(), &record);
                    file::lines(containers, id, log, options)
                },
                LogDriver::Journald => journal::lines(containers, id, Which::OfMonitor(id), options),
                LogDriver::Passthrough if let Some(unit) = record.options.labels.get(UNIT) => {
                    let which = Which::OfService { unit: unit.clone(), made: record.created };
                    journal::lines(containers, id, which, options)
                }
                driver @ (LogDriver::None | LogDriver::Passthrough | LogDriver::PassthroughTty) => {
                    Err(Error::WrongState(format!(
                        "this container is using the '{}' log driver, cannot read logs: this container is not logging output",
                        driver.name()
                    )))?
                }
            };
            while let Some(line) = lines.next().await {
                let line = line?;
                if options.since.is_some_and(|since| line.time < since) {
                    continue;
                }
                if options.until.is_some_and(|until| line.time > until) {
                    break;
                }
                yield line;
            }
        };
        stream.boxed()
    }
}
