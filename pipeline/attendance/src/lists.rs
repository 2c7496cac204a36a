//! Many short lists that grow and shrink one value at a time, in chunks that are asked for rarely.
//!
//! ```text
//!   a chunk of 1,024 places     |aa.|bbbb....|cc|dd|                free                |
//!   runs of 2, 4, 8 … places at multiples of their own length: two free neighbours join, a long free run is halved
//! ```
//!
//! In: values, each into a [`List`].  Out: a list as one slice.  Owns: the chunks, which runs of them are free, and lists
//! longer than a chunk.
//! Absent on purpose: giving chunks back (what one person's list no longer needs, another's takes), and who holds a list.
//! Invariants: runs of two lists never overlap, and a free run's neighbour of the same length is not free; kept by
//! `release`, tested by `lists_behave_as_vectors_and_leave_nothing_behind`.
//! Why so: a vector a person is an allocation for almost every punch (people have two or four a day) and its head and
//! slack as many bytes again; fixed blocks in chains scatter one person's days over memory.

/// A chunk has two to the power of this many places.
const ORDER_MAX: u8 = 10;
/// The shortest run has two to the power of this many: who comes also leaves.
const ORDER_MIN: u8 = 1;
/// Stands for a list beyond a chunk.
const LONG: u8 = ORDER_MAX + 1;
const CHUNK: usize = 1 << ORDER_MAX;
const NOT_FREE: Spot = Spot { index: u32::MAX, order: 0 };

/// One list's place among the others. It belongs to the [`Lists`] that filled it.
#[derive(Debug, Default)]
pub(crate) struct List {
    /// The run's first place; of a long list its number.
    place: u32,
    /// How many values; of a long list nothing.
    len: u16,
    /// The run's length as a power of two; 0 where there is no run.
    order: u8,
}

/// Where a free run is listed, kept at its first place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot {
    index: u32,
    order: u8,
}

/// Room for many lists.
#[derive(Debug)]
pub(crate) struct Lists<T> {
    chunks: Vec<Box<[T]>>,
    /// The first places of free runs, by order.
    free: [Vec<u32>; LONG as usize],
    /// For every second place, whether a free run begins there.
    spots: Vec<Spot>,
    long: Vec<Vec<T>>,
    free_long: Vec<u32>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: [const { Vec::new() }; LONG as usize],
            spots: Vec::new(),
            long: Vec::new(),
            free_long: Vec::new(),
        }
    }
}

impl<T: Default> Lists<T> {
    /// The values of `list`.
    pub(crate) fn get(&self, list: &List) -> &[T] {
        match list.order {
            0 => &[],
            LONG => &self.long[list.place as usize],
            _ => {
                let (chunk, at) = split(list.place);
                &self.chunks[chunk][at..at + usize::from(list.len)]
            }
        }
    }

    /// The values of `list`, to change in place.
    pub(crate) fn get_mut(&mut self, list: &List) -> &mut [T] {
        match list.order {
            0 => &mut [],
            LONG => &mut self.long[list.place as usize],
            _ => self.run(list.place, usize::from(list.len)),
        }
    }

    /// Puts `value` into `list` before its place `at`.
    pub(crate) fn insert(&mut self, list: &mut List, at: usize, value: T) {
        if list.order == 0 || list.order < LONG && usize::from(list.len) == 1 << list.order {
            self.grow(list);
        }
        if list.order == LONG {
            self.long[list.place as usize].insert(at, value);
            return;
        }
        list.len += 1;
        let values = &mut self.run(list.place, usize::from(list.len))[at..];
        values.rotate_right(1);
        values[0] = value;
    }

    /// Takes the first `count` values out of `list`.
    pub(crate) fn remove_front(&mut self, list: &mut List, count: usize) {
        if count == 0 {
            return;
        }
        if list.order == LONG {
            self.long[list.place as usize].drain(..count);
            self.shrink_long(list);
            return;
        }
        let values = self.run(list.place, usize::from(list.len));
        values.rotate_left(count);
        let left = values.len() - count;
        values[left..].fill_with(T::default);
        list.len = left as u16;
        if left == 0 {
            self.release(list.place, list.order);
            *list = List::default();
            return;
        }
        while list.order > ORDER_MIN && left <= 1 << (list.order - 1) {
            list.order -= 1;
            self.release(list.place + (1 << list.order), list.order);
        }
    }

    fn run(&mut self, place: u32, len: usize) -> &mut [T] {
        let (chunk, at) = split(place);
        &mut self.chunks[chunk][at..at + len]
    }

    /// Moves a full list to a run of twice the length, or out of the chunks.
    fn grow(&mut self, list: &mut List) {
        if list.order == ORDER_MAX {
            let values = self.run(list.place, CHUNK).iter_mut().map(std::mem::take).collect();
            self.release(list.place, list.order);
            *list = List { place: self.add_long(values), len: 0, order: LONG };
            return;
        }
        let order = (list.order + 1).max(ORDER_MIN);
        let place = self.claim(order);
        if list.order > 0 {
            self.carry(list.place, place, usize::from(list.len));
            self.release(list.place, list.order);
        }
        (list.place, list.order) = (place, order);
    }

    fn carry(&mut self, from: u32, to: u32, len: usize) {
        for at in 0..len as u32 {
            let value = std::mem::take(&mut self.run(from + at, 1)[0]);
            self.run(to + at, 1)[0] = value;
        }
    }

    fn add_long(&mut self, values: Vec<T>) -> u32 {
        match self.free_long.pop() {
            Some(place) => {
                self.long[place as usize] = values;
                place
            }
            None => {
                self.long.push(values);
                self.long.len() as u32 - 1
            }
        }
    }

    /// Moves a long list back into the chunks once it would fill half of one.
    fn shrink_long(&mut self, list: &mut List) {
        let len = self.long[list.place as usize].len();
        if len > CHUNK / 2 {
            return;
        }
        self.free_long.push(list.place);
        let values = std::mem::take(&mut self.long[list.place as usize]);
        *list = List::default();
        if len == 0 {
            return;
        }
        let order = (len.next_power_of_two().trailing_zeros() as u8).max(ORDER_MIN);
        *list = List { place: self.claim(order), len: len as u16, order };
        for (slot, value) in self.run(list.place, len).iter_mut().zip(values) {
            *slot = value;
        }
    }

    /// Takes a free run out, halving a longer one or asking for a chunk where there is none.
    fn claim(&mut self, order: u8) -> u32 {
        let found = (order..=ORDER_MAX).find(|order| !self.free[usize::from(*order)].is_empty());
        let (place, mut found) = match found {
            Some(found) => (self.free[usize::from(found)][0], found),
            None => (self.add_chunk(), ORDER_MAX),
        };
        self.unlist(place);
        while found > order {
            found -= 1;
            self.list(place + (1 << found), found);
        }
        place
    }

    fn add_chunk(&mut self) -> u32 {
        let place = (self.chunks.len() * CHUNK) as u32;
        self.chunks.push(std::iter::repeat_with(T::default).take(CHUNK).collect());
        self.spots.resize(self.chunks.len() * CHUNK / 2, NOT_FREE);
        self.list(place, ORDER_MAX);
        place
    }

    /// Gives a run back, joined with free neighbours.
    fn release(&mut self, mut place: u32, mut order: u8) {
        while order < ORDER_MAX {
            let neighbour = place ^ (1 << order);
            let spot = self.spots[neighbour as usize / 2];
            if spot == NOT_FREE || spot.order != order {
                break;
            }
            self.unlist(neighbour);
            place = place.min(neighbour);
            order += 1;
        }
        self.list(place, order);
    }

    fn list(&mut self, place: u32, order: u8) {
        let free = &mut self.free[usize::from(order)];
        self.spots[place as usize / 2] = Spot { index: free.len() as u32, order };
        free.push(place);
    }

    fn unlist(&mut self, place: u32) {
        let spot = std::mem::replace(&mut self.spots[place as usize / 2], NOT_FREE);
        let free = &mut self.free[usize::from(spot.order)];
        free.swap_remove(spot.index as usize);
        if let Some(moved) = free.get(spot.index as usize) {
            self.spots[*moved as usize / 2].index = spot.index;
        }
    }
}

fn split(place: u32) -> (usize, usize) {
    (place as usize / CHUNK, place as usize % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(state: &mut u64, bound: usize) -> usize {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize % bound
    }

    #[test]
    fn lists_behave_as_vectors_and_leave_nothing_behind() {
        let mut state = 0x51ab_u64;
        println!("seed {state:#x}");
        let mut lists: Lists<Option<Box<u32>>> = Lists::default();
        let mut handles: Vec<List> = (0..60).map(|_| List::default()).collect();
        let mut plain: Vec<Vec<Option<Box<u32>>>> = vec![Vec::new(); handles.len()];
        for step in 0..60_000_u32 {
            // The first list grows beyond a chunk, and back.
            let n = if below(&mut state, 4) == 0 { 0 } else { below(&mut state, handles.len()) };
            if below(&mut state, if n == 0 { 500 } else { 12 }) > 0 {
                let at = below(&mut state, plain[n].len() + 1);
                lists.insert(&mut handles[n], at, Some(Box::new(step)));
                plain[n].insert(at, Some(Box::new(step)));
            } else {
                let count = below(&mut state, plain[n].len() + 1);
                lists.remove_front(&mut handles[n], count);
                plain[n].drain(..count);
            }
            assert_eq!(lists.get(&handles[n]), plain[n], "step {step}, list {n}");
        }
        for (handle, values) in handles.iter_mut().zip(&plain) {
            assert_eq!(lists.get(handle), *values);
            assert_eq!(lists.get_mut(handle), *values);
            lists.remove_front(handle, values.len());
            assert_eq!(lists.get(handle).len(), 0);
        }
        assert_eq!(
            lists.free[usize::from(ORDER_MAX)].len(),
            lists.chunks.len(),
            "all runs have joined again"
        );
        assert_eq!(lists.free_long.len(), lists.long.len());
        assert!(lists.chunks.iter().flatten().all(Option::is_none), "what was taken out is dropped");
    }

    #[test]
    fn a_long_list_goes_out_of_the_chunks_and_comes_back() {
        let (mut lists, mut list) = (Lists::<u32>::default(), List::default());
        (0..5_000).for_each(|n| lists.insert(&mut list, n, n as u32));
        assert_eq!(lists.long.len(), 1);
        lists.remove_front(&mut list, 4_600);
        assert_eq!(lists.get(&list), (4_600..5_000).collect::<Vec<u32>>());
        assert_eq!((lists.free_long.len(), list.order), (1, 9));
    }
}
