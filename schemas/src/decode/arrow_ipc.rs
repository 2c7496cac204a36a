//! Arrow IPC to columns of punches: the stream, and the file, which is a stream between a magic and a footer.
//!
//! In: bytes that can be read and gone back in.  Out: `PunchColumns` a record batch.  Owns: the reader; one record batch
//! and what is read of the next.
//! Absent on purpose: compressed bodies, and any allocation by what the bytes claim: a body that is longer than what is
//! there is an error.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::buffer::Buffer;
use arrow::record_batch::RecordBatch;
use arrow_ipc::reader::StreamDecoder;

use super::columns::{ColumnError, PunchColumns};

/// What an Arrow file begins with, and ends with.
pub const ARROW_FILE_MAGIC: &[u8] = b"ARROW1";

/// What a stream ends with: a message of no bytes.
const END: &[u8; 8] = b"\xff\xff\xff\xff\0\0\0\0";

/// The magic, padded; writers may pad it further, with zeros.
const HEAD_BYTES: u64 = 8;

/// How much is read at once.
const CHUNK_BYTES: u64 = 1 << 20;

/// The record batches of `bytes`.
///
/// # Errors
/// Bytes that are no Arrow IPC, or break off; a batch whose columns are none of punches.
pub fn read_arrow(bytes: Vec<u8>) -> Result<Vec<PunchColumns>, ColumnError> {
    let read = || -> io::Result<_> {
        let mut reader = ArrowReader::new(Cursor::new(bytes))?;
        let mut batches = Vec::new();
        while let Some(columns) = reader.next_columns()? {
            batches.push(columns);
        }
        Ok(batches)
    };
    read().map_err(|error| error.downcast().unwrap_or_else(|error| ColumnError::NotArrow(error.to_string())))
}

/// Reads record batch by record batch.
pub struct ArrowReader<R> {
    from: R,
    /// Where the stream within `from` begins, and its bytes that are still to be read.
    begin: u64,
    end: u64,
    left: u64,
    is_file: bool,
    decoder: StreamDecoder,
    chunk: Buffer,
    /// The last bytes read.
    tail: [u8; END.len()],
}

impl<R: Read + Seek> ArrowReader<R> {
    /// Stands before the first record batch of what `from` holds, a stream or a file.
    ///
    /// # Errors
    /// As `from` says; `InvalidData` with a [`ColumnError`] where a file's footer is missing.
    pub fn new(mut from: R) -> io::Result<Self> {
        let (begin, end, is_file) = match stream_within(&mut from)? {
            Some((begin, end)) => (begin, end, true),
            None => (0, from.seek(SeekFrom::End(0))?, false),
        };
        let mut reader = Self {
            from,
            begin,
            end,
            left: 0,
            is_file,
            decoder: StreamDecoder::new(),
            chunk: Buffer::default(),
            tail: [0; END.len()],
        };
        reader.rewind()?;
        Ok(reader)
    }

    /// Stands before the first record batch again.
    ///
    /// # Errors
    /// As the bytes' owner says.
    pub fn rewind(&mut self) -> io::Result<()> {
        self.from.seek(SeekFrom::Start(self.begin))?;
        self.left = self.end - self.begin;
        (self.decoder, self.chunk, self.tail) = (StreamDecoder::new(), Buffer::default(), [0; END.len()]);
        Ok(())
    }

    /// What the bytes are read from.
    pub const fn get_ref(&self) -> &R {
        &self.from
    }

    /// How many bytes have been read.
    pub const fn bytes_read(&self) -> u64 {
        self.end - self.left
    }

    /// Whether the writer said that nothing follows what was read; a stream that breaks off between two batches does not.
    pub fn has_end(&self) -> bool {
        self.is_file || self.tail == *END
    }

    /// The next record batch; `None` behind the last.
    ///
    /// # Errors
    /// As the bytes' owner says; `InvalidData` with a [`ColumnError`] where they are no Arrow IPC, break off within a
    /// batch, or hold other columns than punches have.
    pub fn next_columns(&mut self) -> io::Result<Option<PunchColumns>> {
        loop {
            if let Some(batch) = self.decode()? {
                // The reader checks what it reads; that it forgets nothing is not for us to promise.
                return guarded(|| PunchColumns::of(&batch)).map(Some);
            }
            if self.left == 0 {
                guarded(|| self.decoder.finish().map_err(|error| not_arrow(&error)))?;
                return match self.decoder.schema() {
                    None => Err(invalid(ColumnError::NotArrow("it is empty".to_owned()))),
                    Some(_) => Ok(None),
                };
            }
            self.read_chunk()?;
        }
    }

    fn decode(&mut self) -> io::Result<Option<RecordBatch>> {
        let Self { decoder, chunk, .. } = self;
        guarded(|| decoder.decode(chunk).map_err(|error| not_arrow(&error)))
    }

    fn read_chunk(&mut self) -> io::Result<()> {
        let mut bytes = vec![0; self.left.min(CHUNK_BYTES) as usize];
        self.from.read_exact(&mut bytes)?;
        self.left -= bytes.len() as u64;
        let last = [&self.tail[..], &bytes[bytes.len().saturating_sub(END.len())..]].concat();
        self.tail.copy_from_slice(&last[last.len() - END.len()..]);
        self.chunk = Buffer::from_vec(bytes);
        Ok(())
    }
}

fn guarded<T>(read: impl FnOnce() -> Result<T, ColumnError>) -> io::Result<T> {
    let broken = |_| Err(ColumnError::NotArrow("it breaks the reader".to_owned()));
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(broken).map_err(invalid)
}

fn invalid(error: ColumnError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn not_arrow(error: &arrow::error::ArrowError) -> ColumnError {
    ColumnError::NotArrow(error.to_string())
}

/// From where to where the stream within a file goes; `None` if `from` holds no file.
fn stream_within(from: &mut (impl Read + Seek)) -> io::Result<Option<(u64, u64)>> {
    let len = from.seek(SeekFrom::End(0))?;
    let mut head = vec![0; HEAD_BYTES.min(len) as usize];
    from.rewind()?;
    from.read_exact(&mut head)?;
    if !head.starts_with(ARROW_FILE_MAGIC) {
        return Ok(None);
    }
    let broken = || invalid(ColumnError::NotArrow("the file breaks off".to_owned()));
    // Behind the footer stand its length and the magic.
    let mut last = [0; 4 + ARROW_FILE_MAGIC.len()];
    let footer_end =
        len.checked_sub(last.len() as u64).filter(|end| *end >= HEAD_BYTES).ok_or_else(broken)?;
    from.seek(SeekFrom::Start(footer_end))?;
    from.read_exact(&mut last)?;
    let (footer, magic) = last.split_first_chunk::<4>().expect("it is longer");
    let footer = u64::try_from(i32::from_le_bytes(*footer)).map_err(|_| broken())?;
    let end = footer_end.checked_sub(footer).filter(|end| *end >= HEAD_BYTES && magic == ARROW_FILE_MAGIC);
    let end = end.ok_or_else(broken)?;
    let mut begin = HEAD_BYTES;
    from.seek(SeekFrom::Start(begin))?;
    let mut padding = [0; HEAD_BYTES as usize];
    while begin + HEAD_BYTES <= end {
        from.read_exact(&mut padding)?;
        if padding != [0; HEAD_BYTES as usize] {
            break;
        }
        begin += HEAD_BYTES;
    }
    Ok(Some((begin, end)))
}
