//! Group commit: appends that arrive while another is being synced share the next transaction.
//!
//! In: jobs of any number of threads.  Out: to each thread where its own records landed.  Owns: the queue.
//! Absent on purpose: a writer thread and a timer: the first caller commits at once, alone if nobody else waits, so one
//! appender pays nothing and a hundred pay one sync together.
//! Invariants: every job is answered exactly once, a panic of the committing thread included (`Lead::drop`).

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use model::{Offset, Partition};

use crate::error::{Error, ErrorKind};
use crate::raw_batch::RawBatch;

/// Bytes that one shared transaction may hold; a single job may pass it.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Where the records of one job landed, in order.
pub(crate) type Placed = Vec<(Partition, Offset)>;

/// The records of one append call, copied so that another thread can commit them.
pub(crate) struct Job {
    pub(crate) topic: String,
    /// The records; their offsets here only count them.
    pub(crate) records: RawBatch,
    /// The partition of each record.
    pub(crate) partitions: Vec<Partition>,
}

#[derive(Default)]
pub(crate) struct Group {
    queue: Mutex<Queue>,
    answered: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<(u64, Job)>,
    answers: HashMap<u64, Result<Placed, Error>>,
    tickets: u64,
    is_led: bool,
}

impl Group {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while holding it; a leader's panic happens outside and is answered by `Lead::drop`.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `job` committed, by this thread or by another, together with whatever else waits.
    pub(crate) fn commit(
        &self,
        job: Job,
        write: impl Fn(&[(u64, Job)]) -> Result<Vec<Placed>, Error>,
    ) -> Result<Placed, Error> {
        let mut queue = self.queue();
        let ticket = queue.tickets;
        queue.tickets += 1;
        queue.waiting.push((ticket, job));
        loop {
            if let Some(answer) = queue.answers.remove(&ticket) {
                return answer;
            }
            if queue.is_led {
                queue = self.answered.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            queue.is_led = true;
            let jobs = queue.take_group();
            drop(queue);
            let mut lead = Lead {
                group: self,
                tickets: jobs.iter().map(|(ticket, _)| *ticket).collect(),
                outcome: None,
            };
            lead.outcome = Some(write(&jobs));
            drop(lead);
            queue = self.queue();
        }
    }
}

impl Queue {
    /// The jobs that arrived first, as many as one transaction may hold, at least one.
    fn take_group(&mut self) -> Vec<(u64, Job)> {
        let mut bytes = 0;
        let fits = |(_, job): &(u64, Job)| {
            let is_first = bytes == 0;
            bytes += job.records.bytes().max(1);
            is_first || bytes <= GROUP_BYTES_MAX
        };
        let taken = self
            .waiting
            .iter()
            .take_while({
                let mut fits = fits;
                move |job| fits(job)
            })
            .count();
        self.waiting.drain(..taken).collect()
    }
}

/// The right and duty of one thread to answer the jobs it took.
struct Lead<'a> {
    group: &'a Group,
    tickets: Vec<u64>,
    outcome: Option<Result<Vec<Placed>, Error>>,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| {
            Err(Error::new(ErrorKind::Internal, "append to the log: the thread that committed it panicked"))
        });
        let mut queue = self.group.queue();
        match outcome {
            Ok(placed) => queue.answers.extend(self.tickets.drain(..).zip(placed.into_iter().map(Ok))),
            Err(error) => {
                queue.answers.extend(self.tickets.drain(..).map(|ticket| (ticket, Err(error.clone()))));
            }
        }
        queue.is_led = false;
        drop(queue);
        self.group.answered.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job { topic: "punches".to_owned(), records: RawBatch::new(), partitions: Vec::new() }
    }

    #[test]
    fn a_panic_while_committing_is_an_error_to_those_who_waited_and_the_next_one_leads() {
        let group = Group::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            group.commit(job(), |_| panic!("while committing"))
        }));
        assert!(panicked.is_err());
        // The panicking caller never fetched its answer; another one is served as usual.
        assert_eq!(group.commit(job(), |jobs| Ok(jobs.iter().map(|_| Vec::new()).collect())).unwrap(), []);
    }

    #[test]
    fn a_failure_reaches_every_job_of_the_group() {
        let group = Group::default();
        for _ in 0..2 {
            let mut queue = group.queue();
            let ticket = queue.tickets;
            queue.tickets += 1;
            queue.waiting.push((ticket, job()));
        }
        let error = group
            .commit(job(), |jobs| {
                assert_eq!(jobs.len(), 3);
                Err(Error::new(ErrorKind::DiskFull, "append: the disk is full"))
            })
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DiskFull);
        let answers = &group.queue().answers;
        assert!([0, 1].iter().all(|ticket| answers[ticket].is_err()) && answers.len() == 2);
    }

    #[test]
    fn a_group_is_bounded_by_bytes_and_takes_one_job_at_least() {
        let large = || {
            let mut job = job();
            let value = vec![0; GROUP_BYTES_MAX / 2 + 1];
            job.records.push(Offset::new(0).unwrap(), None, None, Some(&value), Default::default());
            job
        };
        let mut queue =
            Queue { waiting: (0..3).map(|ticket| (ticket, large())).collect(), ..Queue::default() };
        assert_eq!(queue.take_group().len(), 1);
        queue.waiting.push((3, job()));
        assert_eq!(queue.take_group().len(), 1);
        assert_eq!(queue.take_group().len(), 2);
    }
}
