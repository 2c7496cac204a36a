//! Arrow IPC to columns of punches: the stream, and the file, which is a stream between a magic and a footer.
//!
//! In: bytes that hold the whole of it.  Out: `PunchColumns` a record batch.  Owns: nothing.
//! Absent on purpose: compressed bodies, and any allocation by what the bytes claim: a body that is longer than what is
//! there is an error.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use arrow_ipc::reader::StreamDecoder;

use super::columns::{ColumnError, PunchColumns};

/// What an Arrow file begins and ends with.
const MAGIC: &[u8] = b"ARROW1";

/// What a stream ends with: a message of no bytes.
const END: &[u8] = b"\xff\xff\xff\xff\0\0\0\0";

/// The magic, padded; writers may pad it further, with zeros.
const HEAD_BYTES: usize = 8;

/// The record batches of `bytes`.
///
/// # Errors
/// Bytes that are no Arrow IPC, or break off; a batch whose columns are none of punches.
pub fn read_arrow(bytes: Vec<u8>) -> Result<Vec<PunchColumns>, ColumnError> {
    // The reader checks what it reads; that it forgets nothing is not for us to promise.
    let read = catch_unwind(AssertUnwindSafe(|| batches(bytes)));
    read.unwrap_or_else(|_| Err(ColumnError::NotArrow("it breaks the reader".to_owned())))
}

fn batches(bytes: Vec<u8>) -> Result<Vec<PunchColumns>, ColumnError> {
    let not_arrow = |error: ArrowError| ColumnError::NotArrow(error.to_string());
    let mut rest = stream(Buffer::from_vec(bytes))?;
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    while !rest.is_empty() && !rest.starts_with(END) {
        if let Some(batch) = decoder.decode(&mut rest).map_err(not_arrow)? {
            batches.push(PunchColumns::of(&batch)?);
        }
    }
    decoder.finish().map_err(not_arrow)?;
    if decoder.schema().is_none() {
        return Err(ColumnError::NotArrow("it is empty".to_owned()));
    }
    Ok(batches)
}

/// The stream within a file; anything else as it is.
fn stream(bytes: Buffer) -> Result<Buffer, ColumnError> {
    if !bytes.starts_with(MAGIC) {
        return Ok(bytes);
    }
    let broken = || ColumnError::NotArrow("the file breaks off".to_owned());
    let before = bytes.strip_suffix(MAGIC).ok_or_else(broken)?;
    let (before, len) = before.split_last_chunk::<4>().ok_or_else(broken)?;
    let footer = usize::try_from(i32::from_le_bytes(*len)).map_err(|_| broken())?;
    let end = before.len().checked_sub(footer).ok_or_else(broken)?;
    let head = before.get(HEAD_BYTES..end).ok_or_else(broken)?;
    let padding =
        head.chunks_exact(HEAD_BYTES).take_while(|chunk| chunk.iter().all(|byte| *byte == 0)).count();
    let from = HEAD_BYTES * (1 + padding);
    Ok(bytes.slice_with_length(from, end - from))
}
