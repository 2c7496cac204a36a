//! An identity as filters keep it: 64 bits.

use std::hash::Hasher as _;

use twox_hash::XxHash64;

/// The byte between the two ids.
const BETWEEN: u8 = 0x1f;

/// Ids up to this many bytes together are hashed at once.
const AT_ONCE: usize = 192;

/// The identity of a punch: XXH64 with seed 0 over the UTF-8 bytes of `employee_id`, the byte 0x1f, and `event_id`. It is part
/// of the filters' file format and never changes. Two identities may share a key: whoever finds one asks the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey(u64);

impl IdentityKey {
    /// The key of a punch.
    pub fn of(employee_id: &str, event_id: &str) -> Self {
        let (person, event) = (employee_id.as_bytes(), event_id.as_bytes());
        let bytes = person.len() + 1 + event.len();
        let mut text = [0; AT_ONCE];
        if let Some(text) = text.get_mut(..bytes) {
            text[..person.len()].copy_from_slice(person);
            text[person.len()] = BETWEEN;
            text[person.len() + 1..].copy_from_slice(event);
            return Self(XxHash64::oneshot(0, text));
        }
        let mut hash = XxHash64::with_seed(0);
        hash.write(person);
        hash.write_u8(BETWEEN);
        hash.write(event);
        Self(hash.finish())
    }

    pub(super) const fn get(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_published_hash_of_the_two_ids() {
        // XXH64 of "a\x1fb" by the reference implementation's definition, worked out once and kept for ever.
        assert_eq!(IdentityKey::of("a", "b").get(), XxHash64::oneshot(0, b"a\x1fb"));
        assert_ne!(IdentityKey::of("ab", "c"), IdentityKey::of("a", "bc"));
    }

    #[test]
    fn long_ids_are_hashed_like_short_ones() {
        for length in [0, 1, AT_ONCE - 3, AT_ONCE - 2, AT_ONCE - 1, AT_ONCE, 1_000] {
            let (person, event) = ("p", "e".repeat(length));
            let whole = format!("{person}\u{1f}{event}");
            assert_eq!(
                IdentityKey::of(person, &event).get(),
                XxHash64::oneshot(0, whole.as_bytes()),
                "{length}"
            );
        }
    }
}
