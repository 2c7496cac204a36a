//! The cells of one level, each found in one line of memory: a perfect hash of lines that hold a cell's first fences.
//!
//! In: entries sorted by the key of their cell.  Out: the entries of a cell.  Owns: lines, what does not fit into them, and
//! the hash's pilots.
//! Absent on purpose: what an entry means (`cell_grid`), any change once built.
//! Invariants: every key that was put in is found, and no other one (`every_cell_is_found_and_no_other`).
//!
//! ```text
//! cell key ─▶ pilots, a byte for three cells ─▶ lines, three of four taken
//!
//! line  [ key 4 | x 2 × 6 | y 2 × 6 | circle 2 × 6 | site 4 × 6 ]                   64 bytes, six entries
//!                                   │ sixth circle = MORE: five entries, the sixth tells place and count in
//! more  [ x 2 × 8 | y 2 × 8 | circle 2 × 8 | site 4 × 8 ] …                         80 bytes, eight entries
//! ```
//!
//! The byte that a key's bucket has (the pilot) was tried out at building, so that no two keys come to the same line.
//! Why so: a punch waits for the lines it reads one after the other. Two of three punches find all they need in the first;
//! a table of places would be one more to wait for, and one with open addressing a second line now and then. The pilots,
//! 400 kB for a million fences, stay in the second cache.

use model::SiteIndex;

use crate::circles::{LANES, Lanes};
use crate::processor::{in_large_pages, prefetch};

/// Entries in a line.
pub(crate) const INLINE: usize = 6;
/// A circle's size that tells of entries behind the line.
const MORE: u16 = u16::MAX;
/// Cells to a pilot, lines to a cell.
const CELLS_A_PILOT: usize = 3;
const LINES_A_CELL: f64 = 4.0 / 3.0;
/// So much more room is taken where some bucket finds no pilot.
const ROOMIER: f64 = 1.03;
/// Steps away from a cell's corner where no circle of no size is in reach.
const FAR: i16 = 24_000;
/// A key that no cell has: rows and columns are told in 16 bits, and no row is the last one.
const NO_KEY: u32 = u32::MAX;

/// A fence as a cell sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) site: SiteIndex,
    /// Its middle, in steps from the cell's corner.
    pub(crate) x: i16,
    pub(crate) y: i16,
    /// More than 0, less than [`MORE`].
    pub(crate) circle: u16,
}

/// A cell's first entries: halves of the words that the drawing shows, so that eight lanes may be read from anywhere.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Line([i16; 32]);

/// Where a line has what.
const X: usize = 2;
const Y: usize = X + INLINE;
const CIRCLE: usize = Y + INLINE;
const SITE: usize = CIRCLE + INLINE;

/// Entries that a line has no room for; those that hold nothing are as in a line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub(crate) struct Block {
    x: Lanes,
    y: Lanes,
    circle: Lanes,
    site: [u32; LANES],
}

const _: () = assert!(size_of::<Line>() == 64 && size_of::<Block>() == 80);

/// The cells of one level.
#[derive(Debug)]
pub(crate) struct CellTable {
    lines: Vec<Line>,
    pilots: Vec<u8>,
    more: Vec<Block>,
}

/// Where a cell, or its pilot, is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Home(u32);

impl Line {
    /// Entries that hold nothing are far off, and the only ones of no size.
    fn empty() -> Self {
        let mut line = Self([0; 32]);
        line.set_key(NO_KEY);
        line.0[X..CIRCLE].fill(FAR);
        line
    }

    #[inline]
    fn key(&self) -> u32 {
        word(self.0[0], self.0[1])
    }

    fn set_key(&mut self, key: u32) {
        (self.0[0], self.0[1]) = halves(key);
    }

    /// The sites of its entries.
    #[inline]
    pub(crate) fn site(&self, at: usize) -> SiteIndex {
        SiteIndex(word(self.0[SITE + 2 * at], self.0[SITE + 2 * at + 1]))
    }

    /// x, y and circle of its entries, and of what lies behind them.
    #[inline]
    pub(crate) fn lanes(&self) -> [&Lanes; 3] {
        [X, Y, CIRCLE]
            .map(|from| self.0[from..].first_chunk().expect("no field begins beyond the 24th of 32"))
    }

    fn put(&mut self, at: usize, entry: Entry) {
        let (low, high) = halves(entry.site.0);
        self.0[SITE + 2 * at..][..2].copy_from_slice(&[low, high]);
        self.0[X + at] = entry.x;
        self.0[Y + at] = entry.y;
        self.0[CIRCLE + at] = entry.circle.cast_signed();
    }

    #[inline]
    fn get(&self, at: usize) -> Entry {
        let circle = self.0[CIRCLE + at].cast_unsigned();
        Entry { site: self.site(at), x: self.0[X + at], y: self.0[Y + at], circle }
    }

    /// How many entries it holds itself.
    #[inline]
    pub(crate) fn held(&self) -> usize {
        (0..INLINE).take_while(|at| !matches!(self.get(*at).circle, 0 | MORE)).count()
    }
}

impl Block {
    const EMPTY: Self = Self { x: [FAR; LANES], y: [FAR; LANES], circle: [0; LANES], site: [0; LANES] };

    fn of(entries: &[(u32, Entry)]) -> Self {
        let mut block = Self::EMPTY;
        for (at, (_, entry)) in entries.iter().enumerate() {
            (block.x[at], block.y[at]) = (entry.x, entry.y);
            (block.circle[at], block.site[at]) = (entry.circle.cast_signed(), entry.site.0);
        }
        block
    }

    /// See [`Line::site`].
    #[inline]
    pub(crate) fn site(&self, at: usize) -> SiteIndex {
        SiteIndex(self.site[at])
    }

    /// See [`Line::lanes`].
    #[inline]
    pub(crate) fn lanes(&self) -> [&Lanes; 3] {
        [&self.x, &self.y, &self.circle]
    }

    fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let entry = |at: usize| Entry {
            site: self.site(at),
            x: self.x[at],
            y: self.y[at],
            circle: self.circle[at].cast_unsigned(),
        };
        (0..LANES).map(entry).take_while(|entry| entry.circle != 0)
    }
}

#[inline]
fn word(low: i16, high: i16) -> u32 {
    u32::from(low.cast_unsigned()) | u32::from(high.cast_unsigned()) << 16
}

fn halves(word: u32) -> (i16, i16) {
    ((word as u16).cast_signed(), ((word >> 16) as u16).cast_signed())
}

impl CellTable {
    /// Of cells by key, with their entries by site.
    pub(crate) fn build(rows: &[(u32, Entry)]) -> Self {
        let cells = rows.chunk_by(|a, b| a.0 == b.0).count();
        let hashes: Vec<u64> = rows.chunk_by(|a, b| a.0 == b.0).map(|cell| mixed(cell[0].0)).collect();
        let mut pilots = vec![0_u8; cells / CELLS_A_PILOT + 1];
        let mut room = (cells as f64 * LINES_A_CELL) as usize + 1;
        while !find_pilots(&hashes, &mut pilots, room) {
            room = (room as f64 * ROOMIER) as usize + 1;
        }
        let beyond =
            |cell: &[_]| if cell.len() > INLINE { (cell.len() + 1 - INLINE).div_ceil(LANES) } else { 0 };
        let more = rows.chunk_by(|a, b| a.0 == b.0).map(beyond).sum();
        let mut table = Self { lines: in_large_pages(room), pilots, more: in_large_pages(more) };
        table.lines.resize(room, Line::empty());
        for cell in rows.chunk_by(|a, b| a.0 == b.0) {
            table.put(cell);
        }
        table
    }

    fn put(&mut self, cell: &[(u32, Entry)]) {
        let home = self.home(cell[0].0).0 as usize;
        let line = &mut self.lines[home];
        line.set_key(cell[0].0);
        let inline = if cell.len() > INLINE { INLINE - 1 } else { cell.len() };
        cell[..inline].iter().enumerate().for_each(|(at, (_, entry))| line.put(at, *entry));
        let beyond = &cell[inline..];
        if !beyond.is_empty() {
            let blocks = beyond.chunks(LANES);
            let (place, (x, y)) = (SiteIndex(self.more.len() as u32), halves(blocks.len() as u32));
            line.put(INLINE - 1, Entry { site: place, x, y, circle: MORE });
            self.more.extend(blocks.map(Block::of));
        }
    }

    /// Asks for the pilot of a cell, and tells where that is.
    #[inline]
    pub(crate) fn fetch_pilot(&self, key: u32) -> Home {
        let bucket = bucket(mixed(key), self.pilots.len());
        prefetch(&self.pilots, bucket);
        Home(bucket as u32)
    }

    /// Where a cell is if it is anywhere, by where its pilot is.
    #[inline]
    pub(crate) fn found(&self, key: u32, pilot: Home) -> Home {
        Home(place(mixed(key), self.pilots[pilot.0 as usize], self.lines.len()))
    }

    /// Where a cell is if it is anywhere.
    #[inline]
    pub(crate) fn home(&self, key: u32) -> Home {
        self.found(key, Home(bucket(mixed(key), self.pilots.len()) as u32))
    }

    /// Asks for the line of a cell.
    #[inline]
    pub(crate) fn fetch_line(&self, home: Home) {
        prefetch(&self.lines, home.0 as usize);
    }

    /// Asks for the entries that the line of a cell has no room for.
    #[inline]
    pub(crate) fn fetch_more(&self, home: Home, key: u32) {
        if let Some(line) = self.line(home, key) {
            // A block lies in two lines of memory.
            for block in self.more(line) {
                prefetch(&block.x, 0);
                prefetch(&block.site, LANES - 1);
            }
        }
    }

    /// The line of a cell.
    #[inline]
    pub(crate) fn line(&self, home: Home, key: u32) -> Option<&Line> {
        self.lines.get(home.0 as usize).filter(|line| line.key() == key)
    }

    /// The entries that a line has no room for. It then holds one less than it could.
    #[inline]
    pub(crate) fn more(&self, line: &Line) -> &[Block] {
        let last = line.get(INLINE - 1);
        if last.circle != MORE {
            return &[];
        }
        let (place, count) = (last.site.0 as usize, word(last.x, last.y) as usize);
        &self.more[place..place + count]
    }

    /// How many cells there are room for.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The entries of a cell, or of all.
    pub(crate) fn entries_of<'a>(&'a self, line: &'a Line) -> impl Iterator<Item = Entry> + 'a {
        (0..line.held()).map(|at| line.get(at)).chain(self.more(line).iter().flat_map(Block::entries))
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.lines.iter().filter(|line| line.key() != NO_KEY).flat_map(|line| self.entries_of(line))
    }
}

#[inline]
fn mixed(key: u32) -> u64 {
    let mixed = u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

#[inline]
fn bucket(hash: u64, buckets: usize) -> usize {
    ((u128::from(hash.wrapping_mul(0xd6e8_feb8_6659_fd93)) * buckets as u128) >> 64) as usize
}

#[inline]
fn place(hash: u64, pilot: u8, room: usize) -> u32 {
    let mixed =
        (hash ^ u64::from(pilot).wrapping_mul(0xa076_1d64_78bd_642f)).wrapping_mul(0xe703_7ed1_a0b4_28db);
    (((mixed >> 32) * room as u64) >> 32) as u32
}

/// Finds for every bucket, the fullest first, a pilot under which its keys come to free places. Whether it could.
fn find_pilots(hashes: &[u64], pilots: &mut [u8], room: usize) -> bool {
    let mut buckets: Vec<(u32, u64)> =
        hashes.iter().map(|hash| (bucket(*hash, pilots.len()) as u32, *hash)).collect();
    buckets.sort_unstable_by_key(|(bucket, _)| *bucket);
    let mut by_size: Vec<&[(u32, u64)]> = buckets.chunk_by(|a, b| a.0 == b.0).collect();
    by_size.sort_by_key(|keys| std::cmp::Reverse(keys.len()));
    let mut taken = vec![0_u64; room.div_ceil(64)];
    let mut places = Vec::new();
    by_size.into_iter().all(|keys| {
        let fits = |pilot: &u8| {
            places.clear();
            for (_, hash) in keys {
                let place = place(*hash, *pilot, room) as usize;
                if taken[place / 64] >> (place % 64) & 1 == 1 || places.contains(&place) {
                    return false;
                }
                places.push(place);
            }
            places.iter().for_each(|place| taken[place / 64] |= 1 << (place % 64));
            true
        };
        let found = (0..=u8::MAX).find(fits);
        pilots[keys[0].0 as usize] = found.unwrap_or_default();
        found.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of no cell, one, and many, of one entry to hundreds.
    #[test]
    fn every_cell_is_found_and_no_other() {
        for cells in [0, 1, 2, 7, 100, 40_000_u32] {
            let count = |cell: u32| 1 + if cell.is_multiple_of(9) { cell % 400 } else { cell % 8 };
            let key = |cell: u32| cell.wrapping_mul(0x0001_0003) & 0x7fff_ffff;
            let entry = |cell: u32, at: u32| Entry {
                site: SiteIndex(cell * 1_000 + at),
                x: (at as i16) - 7,
                y: 1,
                circle: 1 + (cell % 500) as u16,
            };
            let mut rows: Vec<(u32, Entry)> = (0..cells)
                .flat_map(|cell| (0..count(cell)).map(move |at| (key(cell), entry(cell, at))))
                .collect();
            rows.sort_by_key(|(key, entry)| (*key, entry.site));
            let table = CellTable::build(&rows);
            assert!(table.len() as f64 <= f64::from(cells) * 1.5 + 2.0, "{} lines for {cells}", table.len());
            let of = |key: u32| {
                let line = table.line(table.home(key), key)?;
                Some(
                    table
                        .entries_of(line)
                        .map(|entry| (entry.site, entry.x, entry.circle))
                        .collect::<Vec<_>>(),
                )
            };
            for cell in 0..cells {
                let expected: Vec<_> = (0..count(cell))
                    .map(|at| entry(cell, at))
                    .map(|entry| (entry.site, entry.x, entry.circle))
                    .collect();
                assert_eq!(of(key(cell)), Some(expected), "cell {cell} of {cells}");
                let other = key(cell) | 0x8000_0000;
                assert_eq!(of(other), None, "cell {cell} of {cells}");
            }
            assert_eq!(table.entries().count(), rows.len());
        }
    }
}
