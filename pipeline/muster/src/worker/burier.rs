//! Buries dead letters beside the workers: what several batches leave behind is one durable write.
//!
//! In: records that could not be taken, copied out of their batches.  Out: durable letters, in the order handed over.
//! Owns: nothing; the place of letters is shared with workers that read a record of the log once more.
//! Invariants: I-12, this half: [`Burier::settle`] is answered only once everything handed over before is durable, and a
//! worker hands over no cut before. After an error nothing more is buried; records read again find what has landed.
//! Why so: a write costs its latency, not its size, and hardly any batch of a thousand records is without a bad one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use model::RejectCode;
use source::{DeadLetter, RawBatch};

use super::letters::Letters;
use super::partition::stage;
use super::patience::Patience;
use super::settling::{Answer, Settling};
use crate::failure::Failure;
use crate::files;

/// Bytes of records that may wait; a worker that leaves more waits with them.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// Records of one batch that could not be taken, each with its code and what exactly is wrong.
pub(super) struct Burial {
    pub(super) topic: Arc<str>,
    pub(super) records: RawBatch,
    pub(super) reasons: Vec<(RejectCode, String)>,
}

/// Hands dead letters to the thread that buries them.
pub(super) struct Burier {
    asks: Sender<Ask>,
    waiting_bytes: Arc<AtomicUsize>,
}

enum Ask {
    Bury(Burial),
    Settle(Sender<Answer<()>>),
    End,
}

/// What is asked of the thread.
pub(super) struct BurierInbox {
    asks: Receiver<Ask>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// Ends the thread when it is dropped.
pub(super) struct Ending<'a>(&'a Burier);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.ask(Ask::End);
    }
}

impl Burier {
    /// The handle, and what its thread serves: see [`bury_all`].
    pub(super) fn new() -> (Self, BurierInbox) {
        let (asks, inbox) = channel();
        let waiting_bytes = Arc::default();
        (Self { asks, waiting_bytes: Arc::clone(&waiting_bytes) }, BurierInbox { asks: inbox, waiting_bytes })
    }

    /// Has letters buried soon.
    ///
    /// # Errors
    /// Where too much waits already: what the place of letters says.
    pub(super) fn bury(&self, burial: Burial) -> Answer<()> {
        let bytes = burial.records.bytes();
        let waiting = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.ask(Ask::Bury(burial));
        if waiting > WAITING_BYTES_MAX { self.settle().wait() } else { Ok(()) }
    }

    /// Asks to be told once everything that this thread has handed over is durable.
    pub(super) fn settle(&self) -> Settling<()> {
        let (settling, answer) = Settling::ask(gone);
        self.ask(Ask::Settle(answer));
        settling
    }

    /// The thread ends once this is dropped, having buried what was handed over before.
    pub(super) fn end_when_dropped(&self) -> Ending<'_> {
        Ending(self)
    }

    fn ask(&self, ask: Ask) {
        // A thread that is gone is told by `settle`, which every cut waits for.
        let _ = self.asks.send(ask);
    }
}

/// The thread: buries until it is told to end.
pub(super) fn bury_all(letters: &Mutex<Box<dyn Letters>>, inbox: &BurierInbox, patience: &Patience) {
    let mut outcome: Answer<()> = Ok(());
    while let Ok(first) = inbox.asks.recv() {
        let mut waiting: Vec<Burial> = Vec::new();
        for ask in std::iter::once(first).chain(inbox.asks.try_iter()) {
            let answer = match ask {
                Ask::Bury(burial) => {
                    waiting.push(burial);
                    continue;
                }
                Ask::Settle(answer) => Some(answer),
                Ask::End => None,
            };
            bury((letters, patience), inbox, &mut waiting, &mut outcome);
            let Some(answer) = answer else { return };
            // Whoever asked may be gone, with the run.
            let _ = answer.send(outcome.clone());
        }
        bury((letters, patience), inbox, &mut waiting, &mut outcome);
    }
}

/// Makes `waiting` durable by one write, unless one has failed before.
fn bury(
    (letters, patience): (&Mutex<Box<dyn Letters>>, &Patience),
    inbox: &BurierInbox,
    waiting: &mut Vec<Burial>,
    outcome: &mut Answer<()>,
) {
    if waiting.is_empty() {
        return;
    }
    if outcome.is_ok() {
        let mut dead: Vec<DeadLetter<'_>> = Vec::new();
        for Burial { topic, records, reasons } in &*waiting {
            for (entry, (code, message)) in records.iter().zip(reasons) {
                dead.push(DeadLetter::new(topic, records.partition(), &entry, stage(*code), *code, message));
            }
        }
        let mut place = letters.lock().unwrap_or_else(PoisonError::into_inner);
        *outcome = patience.persevere(|| place.bury(&dead)).map_err(files::failure);
    }
    let bytes = waiting.drain(..).map(|burial| burial.records.bytes()).sum();
    inbox.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
}

/// What is said where the thread has ended.
fn gone() -> Box<Failure> {
    Box::new(Failure::from_outside("dead letters can no longer be written: see the first error"))
}

#[cfg(test)]
mod tests {
    use model::{NextOffset, Offset, Partition};
    use source::RawHeaders;

    use super::*;
    use crate::worker::letters::LogReader;

    /// Notes the offsets of each write; the one numbered `fails_at` fails.
    struct Noting {
        writes: Arc<Mutex<Vec<Vec<i64>>>>,
        fails_at: usize,
        log: LogReader,
    }

    impl Letters for Noting {
        fn bury(&mut self, letters: &[DeadLetter<'_>]) -> Result<(), source::Error> {
            let mut writes = self.writes.lock().unwrap();
            writes.push(letters.iter().map(|letter| letter.origin.offset.get()).collect());
            if writes.len() == self.fails_at {
                return Err(source::DeadLetterFile::open(std::path::Path::new("/")).map(drop).unwrap_err());
            }
            Ok(())
        }

        fn log(&mut self) -> &mut LogReader {
            &mut self.log
        }
    }

    fn burial(offsets: &[i64], bytes: usize) -> Burial {
        let mut records = RawBatch::new();
        records.begin(Partition::new(0), NextOffset::START);
        for offset in offsets {
            let offset = Offset::new(*offset).unwrap();
            records.push(offset, None, None, Some(&vec![b'x'; bytes]), RawHeaders::default());
        }
        let reasons =
            offsets.iter().map(|offset| (RejectCode::Internal, format!("record {offset}"))).collect();
        Burial { topic: "punches".into(), records, reasons }
    }

    /// Serves what `ask` asks before the thread begins; gives the offsets of each write.
    fn run(fails_at: usize, ask: impl FnOnce(&Burier)) -> Vec<Vec<i64>> {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let log = LogReader::new(Box::new(|| panic!("nothing is read again")));
        let place: Box<dyn Letters> = Box::new(Noting { writes: Arc::clone(&writes), fails_at, log });
        let (burier, inbox) = Burier::new();
        ask(&burier);
        drop(burier.end_when_dropped());
        bury_all(&Mutex::new(place), &inbox, &Patience::short());
        assert_eq!(inbox.waiting_bytes.load(Ordering::Relaxed), 0, "nothing waits any more");
        Arc::into_inner(writes).unwrap().into_inner().unwrap()
    }

    #[test]
    fn letters_of_several_batches_are_one_write_and_settled_behind_it() {
        let mut settled = None;
        let writes = run(0, |burier| {
            burier.bury(burial(&[3, 7], 10)).unwrap();
            burier.bury(burial(&[12], 10)).unwrap();
            settled = Some(burier.settle());
            burier.bury(burial(&[20], 10)).unwrap();
        });
        assert_eq!(writes, [vec![3, 7, 12], vec![20]]);
        settled.unwrap().wait().unwrap();
    }

    #[test]
    fn behind_a_letter_that_cannot_be_written_no_cut_counts() {
        let mut settled = Vec::new();
        let writes = run(2, |burier| {
            for offset in 0..3 {
                burier.bury(burial(&[offset], 10)).unwrap();
                settled.push(burier.settle());
            }
        });
        assert_eq!(writes, [[0], [1]], "the third is not tried");
        let outcomes: Vec<_> = settled.iter().map(Settling::wait).collect();
        assert!(outcomes[0].is_ok());
        let told = |of: usize| outcomes[of].as_ref().unwrap_err().to_string();
        assert!(told(1).contains("/"), "what the place said: {}", told(1));
        assert_eq!(told(2), told(1), "whoever asks is told why");
    }

    #[test]
    fn who_leaves_too_much_waits_with_it() {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let log = LogReader::new(Box::new(|| panic!("nothing is read again")));
        let place: Box<dyn Letters> = Box::new(Noting { writes: Arc::clone(&writes), fails_at: 0, log });
        let (place, (burier, inbox)) = (Mutex::new(place), Burier::new());
        std::thread::scope(|scope| {
            let place = &place;
            scope.spawn(move || bury_all(place, &inbox, &Patience::short()));
            let _ending = burier.end_when_dropped();
            for offset in 0..3 {
                burier.bury(burial(&[offset], WAITING_BYTES_MAX + 1)).unwrap();
                assert_eq!(writes.lock().unwrap().len(), offset as usize + 1, "written when it returns");
            }
        });
    }
}
