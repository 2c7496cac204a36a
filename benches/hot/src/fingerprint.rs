//! A hash of a result, so that two runs of a benchmark can be seen to have done the same work.

use std::fmt::{self, Debug, Display, Write};

/// FNV-1a over the `Debug` text of everything added: the same on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Adds a value.
    pub fn add(&mut self, value: &impl Debug) {
        // Writing into a hash cannot fail; a value's own `Debug` that does is a value left out.
        let _ = write!(self, "{value:?};");
    }
}

impl Write for Fingerprint {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        self.0 = text.as_bytes().iter().fold(self.0, step);
        Ok(())
    }
}

impl Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_values_and_their_order_apart() {
        let of = |values: &[i32]| {
            let mut print = Fingerprint::default();
            values.iter().for_each(|value| print.add(value));
            print
        };
        assert_eq!(of(&[1, 23]), of(&[1, 23]));
        assert_ne!(of(&[1, 23]), of(&[12, 3]));
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
    }
}
