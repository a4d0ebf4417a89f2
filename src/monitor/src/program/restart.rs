// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When a container that ended is started again, and how soon.

use std::time::Duration;

use haulout_monitor::config::Restart;

/// The first rest; each one after it is twice as long.
const FIRST: Duration = Duration::from_millis(100);

/// No rest is longer.
const LONGEST: Duration = Duration::from_mins(1);

/// A container that has run so long is well again.
const WELL: Duration = Duration::from_secs(10);

/// A restart policy at work.
#[derive(Debug)]
pub struct Policy {
    restart: Restart,
    /// Restarts since a user started it.
    pub count: u32,
    rest: Duration,
}

impl Policy {
    /// The policy of a container that a user has just started.
    pub fn new(restart: Restart) -> Self {
        Self { restart, count: 0, rest: FIRST }
    }

    /// It is to be started again whatever the policy is: how long to wait.
    pub fn at_once(&mut self) -> Duration {
        self.count += 1;
        Duration::ZERO
    }

    /// Another policy holds from now on; restarts that were are still counted.
    pub fn change(&mut self, restart: Restart) {
        self.restart = restart;
    }

    /// How long to wait before it is started again, having run for `ran` and ended with `status`; nothing when it is not.
    pub fn after(&mut self, status: i32, ran: Duration) -> Option<Duration> {
        let again = match self.restart {
            Restart::No => false,
            Restart::OnFailure(limit) => status != 0 && limit.is_none_or(|limit| self.count < limit),
            Restart::Always => true,
        };
        if !again {
            return None;
        }
        if ran >= WELL {
            self.rest = FIRST;
        }
        let rest = self.rest;
        self.count += 1;
        self.rest = (rest * 2).min(LONGEST);
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(5);

    #[test]
    fn without_a_policy_nothing_starts_again() {
        assert_eq!(Policy::new(Restart::No).after(1, SHORT), None);
    }

    #[test]
    fn on_failure_means_a_status_that_is_not_0_and_so_many_times() {
        assert_eq!(Policy::new(Restart::OnFailure(None)).after(0, SHORT), None);
        let mut policy = Policy::new(Restart::OnFailure(Some(2)));
        assert!(policy.after(4, SHORT).is_some());
        assert!(policy.after(4, SHORT).is_some());
        assert_eq!(policy.after(4, SHORT), None);
        assert_eq!(policy.count, 2);
    }

    #[test]
    fn another_policy_counts_the_restarts_that_were() {
        let mut policy = Policy::new(Restart::Always);
        assert!(policy.after(1, SHORT).is_some());
        policy.change(Restart::OnFailure(Some(1)));
        assert_eq!(policy.after(1, SHORT), None);
        policy.change(Restart::Always);
        assert!(policy.after(0, SHORT).is_some());
    }

    #[test]
    fn rests_double_up_to_a_minute_and_are_short_again_after_it_was_well() {
        let mut policy = Policy::new(Restart::Always);
        assert_eq!(policy.after(0, SHORT), Some(FIRST));
        assert_eq!(policy.after(0, SHORT), Some(FIRST * 2));
        for _ in 0..20 {
            policy.after(0, SHORT);
        }
        assert_eq!(policy.after(0, SHORT), Some(LONGEST));
        assert_eq!(policy.after(0, WELL), Some(FIRST));
    }
}
