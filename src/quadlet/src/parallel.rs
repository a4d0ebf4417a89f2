// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many small things done on all processors: files that are read or written, services that are made.

use std::num::NonZero;
use std::thread;

/// Fewer are done before a thread has begun.
const WORTH_A_THREAD: usize = 32;

/// What `job` makes of each item, in order.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], job: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(items.len() / WORTH_A_THREAD);
    if threads < 2 {
        return items.iter().map(job).collect();
    }
    let job = &job;
    thread::scope(|scope| {
        let parts = items.chunks(items.len().div_ceil(threads));
        let started: Vec<_> = parts.map(|part| scope.spawn(move || part.iter().map(job).collect::<Vec<R>>())).collect();
        started
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
