//! The two things that the `rdkafka` crate does not offer, asked of librdkafka itself: a topic's id, and headers as
//! bytes.
//!
//! In: a client or a message that `rdkafka` owns.  Out: plain values.  Owns: what a call makes, until it returns.
//! Absent on purpose: anything that outlives a call.
//! Invariants: every pointer comes from a live borrow or from librdkafka in the same function, and what librdkafka made
//! is destroyed once, by `Owned`; held to an oracle by `tests/kafka_read.rs` (headers as `rdkafka` appended them) and
//! `tests/kafka_log.rs` (an id is a topic's for as long as it lives, and another one's when it was made anew).
//! Why so: `rdkafka` reads a header's name with `unwrap` on UTF-8, so that one poison record would take the process
//! down; and it wraps no request that answers with a topic id, which is how a log is told from its namesake.
#![expect(unsafe_code, reason = "librdkafka's C interface; each call has its proof beside it")]

use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::BorrowedMessage;
use sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR as NO_ERROR;

use crate::raw_batch::RawHeaders;

/// What the brokers say a topic is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// The topic's id, as its 16 bytes.
    pub(crate) id: [u8; 16],
    /// The broker that leads each partition, by partition; negative where none does now.
    pub(crate) leaders: Vec<i32>,
    /// How many replicas a partition has (that of the first one).
    pub(crate) replicas: usize,
}

/// Something librdkafka made and wants back.
struct Owned<T>(NonNull<T>, unsafe extern "C" fn(*mut T));

impl<T> Owned<T> {
    fn new(made: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Result<Self, RDKafkaErrorCode> {
        NonNull::new(made).map(|made| Self(made, destroy)).ok_or(RDKafkaErrorCode::CriticalSystemResource)
    }

    fn ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer was made by the constructor that `destroy` belongs to, and is given back only here.
        unsafe { (self.1)(self.0.as_ptr()) }
    }
}

/// Asks what `topic` is, for at most `timeout`. Never creates it.
pub(crate) fn describe_topic<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Described, RDKafkaErrorCode> {
    let name = CString::new(topic).map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let mut names = [name.as_ptr()];
    let client = client.native_ptr();
    // SAFETY: `names` holds one NUL-terminated string that outlives the call; the collection copies it.
    let wanted = unsafe { sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()) };
    let wanted = Owned::new(wanted, sys::rd_kafka_TopicCollection_destroy)?;
    // SAFETY: the client is borrowed, so it lives beyond everything made of it here.
    let queue = Owned::new(unsafe { sys::rd_kafka_queue_new(client) }, sys::rd_kafka_queue_destroy)?;
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    // SAFETY: as above.
    let options = unsafe { sys::rd_kafka_AdminOptions_new(client, operation) };
    let options = Owned::new(options, sys::rd_kafka_AdminOptions_destroy)?;
    // SAFETY: the options live; an error text is not asked for, which a null buffer of no length says.
    let set =
        unsafe { sys::rd_kafka_AdminOptions_set_request_timeout(options.ptr(), millis, ptr::null_mut(), 0) };
    if set != NO_ERROR {
        return Err(set.into());
    }
    // SAFETY: all four live; librdkafka copies what it needs of the collection and the options.
    unsafe { sys::rd_kafka_DescribeTopics(client, wanted.ptr(), options.ptr(), queue.ptr()) };
    // The request ends by itself within `millis`; the second more is for an answer already on its way.
    // SAFETY: the queue lives.
    let event = unsafe { sys::rd_kafka_queue_poll(queue.ptr(), millis.saturating_add(1_000)) };
    let event =
        Owned::new(event, sys::rd_kafka_event_destroy).map_err(|_| RDKafkaErrorCode::OperationTimedOut)?;
    // SAFETY: the event lives.
    let error = unsafe { sys::rd_kafka_event_error(event.ptr()) };
    if error != NO_ERROR {
        return Err(error.into());
    }
    // SAFETY: the event lives; for an event of another kind the result is null, which is checked.
    let result = unsafe { sys::rd_kafka_event_DescribeTopics_result(event.ptr()) };
    if result.is_null() {
        return Err(RDKafkaErrorCode::InvalidType);
    }
    let mut count = 0;
    // SAFETY: the result is a live event's; the array and what it points at live as long as the event.
    let topics = unsafe { sys::rd_kafka_DescribeTopics_result_topics(result, &mut count) };
    if topics.is_null() || count != 1 {
        return Err(RDKafkaErrorCode::Partial);
    }
    // SAFETY: one element is there, a description of the live event.
    unsafe { read_description(*topics) }
}

/// # Safety
/// `topic` is a description within a live event.
unsafe fn read_description(
    topic: *const sys::rd_kafka_TopicDescription_t,
) -> Result<Described, RDKafkaErrorCode> {
    // SAFETY: the description lives; its error is null or lives as long.
    let error = unsafe { sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(topic)) };
    if error != NO_ERROR {
        return Err(error.into());
    }
    // SAFETY: as above.
    let id = unsafe { sys::rd_kafka_TopicDescription_topic_id(topic) };
    if id.is_null() {
        return Err(RDKafkaErrorCode::UnsupportedVersion);
    }
    // SAFETY: the id lives as long as the description.
    let halves = unsafe {
        [sys::rd_kafka_Uuid_most_significant_bits(id), sys::rd_kafka_Uuid_least_significant_bits(id)]
    };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&halves[0].to_be_bytes());
    bytes[8..].copy_from_slice(&halves[1].to_be_bytes());
    if bytes == [0; 16] {
        // A broker older than topic ids.
        return Err(RDKafkaErrorCode::UnsupportedVersion);
    }
    let mut count = 0;
    // SAFETY: the description lives.
    let partitions = unsafe { sys::rd_kafka_TopicDescription_partitions(topic, &mut count) };
    let mut described = Described { id: bytes, leaders: vec![-1; count], replicas: 1 };
    for at in 0..count {
        // SAFETY: `at` is below the count given with the array, whose elements live as long as the description; a
        // leader is null where there is none.
        let (number, leader) = unsafe {
            let partition = *partitions.add(at);
            let leader = sys::rd_kafka_TopicPartitionInfo_leader(partition);
            let leader = if leader.is_null() { -1 } else { sys::rd_kafka_Node_id(leader) };
            (sys::rd_kafka_TopicPartitionInfo_partition(partition), leader)
        };
        let place = usize::try_from(number).ok().and_then(|number| described.leaders.get_mut(number));
        // A partition missing in between would make the numbers no longer a count.
        *place.ok_or(RDKafkaErrorCode::InvalidPartitions)? = leader;
    }
    if count > 0 {
        let mut replicas = 0;
        // SAFETY: the first partition exists and lives.
        unsafe { sys::rd_kafka_TopicPartitionInfo_replicas(*partitions, &mut replicas) };
        described.replicas = replicas.max(1);
    }
    Ok(described)
}

/// Writes `message`'s headers behind what `into` holds, in the layout of [`RawHeaders`]. A name that is no UTF-8, which
/// the protocol forbids, is read with replacement characters.
pub(crate) fn encode_headers(message: &BorrowedMessage<'_>, into: &mut Vec<u8>) {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is borrowed; the headers live as long as it. Without any the code is no `NO_ERROR`.
    if unsafe { sys::rd_kafka_message_headers(message.ptr(), &mut headers) } != NO_ERROR {
        return;
    }
    for index in 0.. {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the headers live; behind the last index the code is no `NO_ERROR`.
        let found = unsafe { sys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut size) };
        if found != NO_ERROR {
            return;
        }
        // SAFETY: the name is NUL-terminated and lives as long as the headers.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
        // SAFETY: a value that is not null has `size` bytes and lives as long as the headers.
        let value =
            (!value.is_null()).then(|| unsafe { std::slice::from_raw_parts(value.cast::<u8>(), size) });
        RawHeaders::encode(&[(&name, value)], into);
    }
}
