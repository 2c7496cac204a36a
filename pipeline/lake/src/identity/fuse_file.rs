//! The file of one filter, format 1. All numbers are little endian.
//!
//! ```text
//!   head      8  "MUSTERID"
//!             2  format, 1                     2  0
//!             4  partitions of the log         4  sections
//!             4  bytes of the head             8  keys of all sections
//!     per section, 48:
//!             4  partition                     4  length of a segment
//!             4  length of all segments        4  fingerprints
//!             8  seed                          8  keys
//!             8  where its fingerprints begin  8  XXH64 of their bytes
//!             4  data files covered
//!     per data file:
//!             2  bytes of its path             n  its path from the root of `punches`, UTF-8
//!             8  XXH64 of the head before it
//!   sections  fingerprints, 4 bytes each, section after section
//! ```
//!
//! In: filters, or bytes.  Out: bytes, or filters.  Owns: nothing.
//! Invariants: a section that is read back answers as the one that was written: its bytes are held by a checksum, its numbers
//! by the head's, and the two functions that find a key's fingerprints are those of xorf 0.13's `BinaryFuse32`, which
//! `tests::a_filter_of_format_1_answers_for_ever` holds to a written file.
//! Why so: a section a partition, so that an owner reads and keeps only those of the partitions it holds.

use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};
use model::Partition;
use twox_hash::XxHash64;
use xorf::{BinaryFuse32, Descriptor};

const MAGIC: &[u8; 8] = b"MUSTERID";

/// The format written, and the only one read.
pub(super) const FORMAT: u16 = 1;

/// Bytes before the sections' numbers.
pub(super) const FIXED_BYTES: u64 = 32;

const SECTION_BYTES: usize = 48;

/// Why a file is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Another process has replaced it.
    Gone,
    /// A newer program wrote it.
    Later,
    /// Damaged, or not for this lake as it is.
    Useless(&'static str),
}

/// A filter's section as the head describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SectionHead {
    pub(super) partition: Partition,
    segment_length: u32,
    segment_count_length: u32,
    fingerprints: u32,
    seed: u64,
    pub(super) keys: u64,
    begin: u64,
    checksum: u64,
}

/// What a filter's file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) partitions: u32,
    pub(super) keys: u64,
    pub(super) covers: Vec<String>,
    pub(super) sections: Vec<SectionHead>,
}

/// One section to be written.
pub(super) struct Section<'a> {
    pub(super) partition: Partition,
    pub(super) keys: u64,
    pub(super) filter: &'a BinaryFuse32,
}

/// The file of `sections` over the data files `covers`. Paths are those of a lake: far below 64 KiB.
pub(super) fn encode(partitions: u32, covers: &[String], sections: &[Section<'_>]) -> Bytes {
    let paths: usize = covers.iter().map(|path| 2 + path.len()).sum();
    let head_bytes = FIXED_BYTES as usize + SECTION_BYTES * sections.len() + 4 + paths + 8;
    let prints: usize = sections.iter().map(|section| size_of_val(&*section.filter.fingerprints)).sum();
    let mut out = BytesMut::with_capacity(head_bytes + prints);
    out.put_slice(MAGIC);
    out.put_u16_le(FORMAT);
    out.put_u16_le(0);
    out.put_u32_le(partitions);
    out.put_u32_le(sections.len() as u32);
    out.put_u32_le(head_bytes as u32);
    out.put_u64_le(sections.iter().map(|section| section.keys).sum());
    let mut body = BytesMut::with_capacity(prints);
    for Section { partition, keys, filter } in sections {
        let begin = body.len();
        filter.fingerprints.iter().for_each(|print| body.put_u32_le(*print));
        out.put_u32_le(partition.number());
        out.put_u32_le(filter.descriptor.segment_length);
        out.put_u32_le(filter.descriptor.segment_count_length);
        out.put_u32_le(filter.fingerprints.len() as u32);
        out.put_u64_le(filter.descriptor.seed);
        out.put_u64_le(*keys);
        out.put_u64_le((head_bytes + begin) as u64);
        out.put_u64_le(XxHash64::oneshot(0, &body[begin..]));
    }
    out.put_u32_le(covers.len() as u32);
    for path in covers {
        out.put_u16_le(path.len() as u16);
        out.put_slice(path.as_bytes());
    }
    out.put_u64_le(XxHash64::oneshot(0, &out));
    debug_assert_eq!(out.len(), head_bytes);
    out.unsplit(body);
    out.freeze()
}

/// How many bytes the head takes, by the first [`FIXED_BYTES`] of a file of `file_bytes`.
pub(super) fn head_bytes(first: &[u8], file_bytes: u64) -> Result<u64, Unreadable> {
    let mut fields = Fields(first);
    if fields.take(MAGIC.len())? != MAGIC {
        return Err(Unreadable::Useless("it does not begin as a filter does"));
    }
    match fields.u16()? {
        FORMAT => {}
        later if later > FORMAT => return Err(Unreadable::Later),
        _ => return Err(Unreadable::Useless("its format does not exist")),
    }
    fields.take(2 + 4 + 4)?;
    let bytes = u64::from(fields.u32()?);
    let is_possible = (FIXED_BYTES + 12..=file_bytes).contains(&bytes);
    is_possible.then_some(bytes).ok_or(Unreadable::Useless("its head does not fit into it"))
}

impl Head {
    /// Reads a head, whole, of a file of `file_bytes`.
    pub(super) fn parse(bytes: &[u8], file_bytes: u64) -> Result<Self, Unreadable> {
        let expected = head_bytes(bytes, file_bytes)?;
        if bytes.len() as u64 != expected {
            return Err(Unreadable::Useless("its head is cut off"));
        }
        let (head, checksum) = bytes.split_at(bytes.len() - 8);
        if XxHash64::oneshot(0, head) != Fields(checksum).u64()? {
            return Err(Unreadable::Useless("its head is damaged"));
        }
        let mut fields = Fields(head);
        fields.take(MAGIC.len() + 4)?;
        let (partitions, sections) = (fields.u32()?, fields.u32()?);
        fields.take(4)?;
        let keys = fields.u64()?;
        let sections: Result<Vec<_>, _> = (0..sections).map(|_| SectionHead::parse(&mut fields)).collect();
        let sections = sections?;
        if sections.iter().any(|section| section.range().end > file_bytes) {
            return Err(Unreadable::Useless("it is cut off"));
        }
        let files = fields.u32()?;
        let covers: Result<Vec<_>, _> = (0..files).map(|_| fields.text()).collect();
        Ok(Self { partitions, keys, covers: covers?, sections })
    }
}

impl SectionHead {
    fn parse(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        let section = Self {
            partition: Partition::new(fields.u32()?),
            segment_length: fields.u32()?,
            segment_count_length: fields.u32()?,
            fingerprints: fields.u32()?,
            seed: fields.u64()?,
            keys: fields.u64()?,
            begin: fields.u64()?,
            checksum: fields.u64()?,
        };
        // What a key's three places are computed from: none may lie outside.
        let (one, all) = (u64::from(section.segment_length), u64::from(section.segment_count_length));
        let is_whole = one.is_power_of_two()
            && all > 0
            && all % one == 0
            && all + 2 * one == u64::from(section.fingerprints);
        is_whole.then_some(section).ok_or(Unreadable::Useless("a section's numbers contradict each other"))
    }

    /// Where in the file its fingerprints are.
    pub(super) fn range(&self) -> Range<u64> {
        self.begin..self.begin.saturating_add(4 * u64::from(self.fingerprints))
    }

    /// The filter whose fingerprints are `bytes`.
    pub(super) fn parse_filter(&self, bytes: &[u8]) -> Result<BinaryFuse32, Unreadable> {
        let is_whole = bytes.len() as u64 == 4 * u64::from(self.fingerprints);
        if !is_whole || XxHash64::oneshot(0, bytes) != self.checksum {
            return Err(Unreadable::Useless("a section of it is damaged"));
        }
        let prints = bytes.as_chunks::<4>().0.iter().map(|print| u32::from_le_bytes(*print));
        Ok(BinaryFuse32 {
            descriptor: Descriptor {
                seed: self.seed,
                segment_length: self.segment_length,
                segment_length_mask: self.segment_length - 1,
                segment_count_length: self.segment_count_length,
            },
            fingerprints: prints.collect(),
        })
    }
}

/// Bytes read field by field.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Unreadable> {
        let (field, rest) = self.0.split_at_checked(bytes).ok_or(Unreadable::Useless("it is cut off"))?;
        self.0 = rest;
        Ok(field)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let mut number = [0; N];
        number.copy_from_slice(self.take(N)?);
        Ok(number)
    }

    fn u16(&mut self) -> Result<u16, Unreadable> {
        self.number().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Unreadable> {
        self.number().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Unreadable> {
        self.number().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<String, Unreadable> {
        let bytes = self.u16()?;
        let text = self.take(usize::from(bytes))?.to_vec();
        String::from_utf8(text).map_err(|_| Unreadable::Useless("it names a file that is no text"))
    }
}
