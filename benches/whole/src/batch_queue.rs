//! A client's queue of one partition, emptied by `rd_kafka_consume_batch_queue`, which `rdkafka` does not wrap.
//!
//! In: a client that has the partition assigned.  Out: the bytes of each record, while they are seen.
//! Owns: a reference to the queue, given back before the client can go.
//! Absent on purpose: keys, headers, errors but none: what a benchmark of taking needs.
#![expect(unsafe_code, reason = "librdkafka's C interface; each call has its proof beside it")]

use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR as NO_ERROR;

/// The queue of one partition, split off from its client's.
pub struct BatchQueue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    messages: Vec<*mut sys::rd_kafka_message_t>,
    /// The queue is of this client.
    _client: Arc<BaseConsumer>,
}

impl BatchQueue {
    /// Splits off the queue of `partition`, to be taken from in batches of at most `records_max`.
    ///
    /// # Panics
    /// If the client does not know the partition.
    pub fn split(client: &Arc<BaseConsumer>, topic: &str, partition: i32, records_max: usize) -> Self {
        let name = CString::new(topic).expect("a topic's name has no zero byte");
        // SAFETY: the client is alive while it is borrowed, and the call copies the name, which lives until it returns.
        let queue = unsafe {
            sys::rd_kafka_queue_get_partition(client.client().native_ptr(), name.as_ptr(), partition)
        };
        let queue = NonNull::new(queue).expect("the partition is assigned");
        // SAFETY: the queue was just made and is ours; a null destination is how its forwarding is ended.
        unsafe { sys::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut()) };
        Self { queue, messages: vec![ptr::null_mut(); records_max], _client: Arc::clone(client) }
    }

    /// Takes what waits, at most one batch, and shows each record's bytes; how many there were.
    ///
    /// # Panics
    /// If the client tells of an error instead of a record.
    pub fn take(&mut self, mut see: impl FnMut(&[u8])) -> usize {
        // SAFETY: the queue is alive until `drop`, and the array has as many places as the call is told.
        let taken = unsafe {
            sys::rd_kafka_consume_batch_queue(
                self.queue.as_ptr(),
                0,
                self.messages.as_mut_ptr(),
                self.messages.len(),
            )
        };
        let taken = usize::try_from(taken).expect("the queue can be read");
        for message in &self.messages[..taken] {
            // SAFETY: the call filled the first `taken` places with messages that are ours until they are destroyed below.
            let found = unsafe { &**message };
            assert_eq!(found.err, NO_ERROR, "a record, not an error");
            let bytes = match found.payload.is_null() {
                true => &[],
                // SAFETY: the payload is `len` bytes that live as long as their message.
                false => unsafe { slice::from_raw_parts(found.payload.cast::<u8>(), found.len) },
            };
            see(bytes);
            // SAFETY: it is destroyed once, here, and nothing of it is used any more.
            unsafe { sys::rd_kafka_message_destroy(*message) };
        }
        taken
    }
}

impl std::fmt::Debug for BatchQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchQueue").field("records_max", &self.messages.len()).finish_non_exhaustive()
    }
}

impl Drop for BatchQueue {
    fn drop(&mut self) {
        // SAFETY: the reference was made in `split` and is given back only here, while the client is alive.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}
