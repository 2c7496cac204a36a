//! Where a scanner of JSON stands in its record, and the tokens it reads there: plain texts, numbers, white space.
//!
//! In: a record's text.  Out: tokens; `None` for whatever is rare or wrong, which the general reader then judges.
//! Owns: nothing.
//! Absent on purpose: errors. A scanner that meets a surprise gives up; only one reader words what is wrong.
//! Why so: eight bytes are looked at as one number ("SIMD within a register"), in safe code that is the same on every
//! processor. Against a byte at a time this halves the instructions of a record.

/// A place in a record's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    rest: &'a [u8],
}

/// A JSON number of at most 18 digits without exponent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// Written without a fraction; `-0` is not one.
    Integer(i64),
    /// Written with a fraction, correctly rounded.
    Real(f64),
}

impl Number {
    /// As a floating-point number.
    pub(super) const fn real(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Real(value) => value,
        }
    }
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, rest: text.as_bytes() }
    }

    /// What has not been read.
    #[inline(always)]
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes have not been read.
    #[inline(always)]
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything has been read.
    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Passes `len` bytes that have been looked at.
    #[inline(always)]
    pub(super) fn pass(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
    }

    /// Passes one byte.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    /// Passes `bytes` if they come next.
    #[inline(always)]
    pub(super) fn eat<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        // An array's length is known to the compiler: one or two comparisons of whole words, no call.
        match self.rest.split_first_chunk::<N>() {
            Some((first, rest)) if first == bytes => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Passes white space.
    pub(super) fn space(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// A text without escapes, behind its opening quote; passes the closing one.
    #[inline(always)]
    pub(super) fn plain_text(&mut self) -> Option<&'a str> {
        let len = plain_len(self.rest)?;
        let from = self.text.len() - self.rest.len();
        let text = self.text.get(from..from + len)?;
        self.pass(len + 1);
        Some(text)
    }

    /// A number. An exponent is left where it stands: no entry may end there, so that its reader gives up.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Option<Number> {
        let is_negative = self.eat(b"-");
        let has_leading_zero = matches!(self.rest, [b'0', b'0'..=b'9', ..]);
        let (whole, whole_len) = self.digits()?;
        if whole_len == 0 || has_leading_zero {
            return None;
        }
        if let [b'.', rest @ ..] = self.rest {
            self.rest = rest;
            let (fraction, len) = self.digits()?;
            if len == 0 || whole_len + len > DIGITS_MAX {
                return None;
            }
            let value = quotient(whole * POW10[len] + fraction, len);
            return Some(Number::Real(if is_negative { -value } else { value }));
        }
        Some(match (is_negative, whole) {
            (false, whole) => Number::Integer(whole as i64),
            (true, 0) => Number::Real(-0.0),
            (true, whole) => Number::Integer(-(whole as i64)),
        })
    }

    /// Digits, as a number and how many; `None` if there are more than [`DIGITS_MAX`].
    #[inline(always)]
    fn digits(&mut self) -> Option<(u64, usize)> {
        let Some(word) = self.rest.first_chunk::<8>() else { return self.last_digits(0, 0) };
        let (value, len) = leading_digits(u64::from_le_bytes(*word));
        self.pass(len);
        if len < 8 { Some((value, len)) } else { self.more_digits(value) }
    }

    /// What follows eight digits, which write `value`.
    #[inline(always)]
    fn more_digits(&mut self, value: u64) -> Option<(u64, usize)> {
        let Some(word) = self.rest.first_chunk::<8>() else { return self.last_digits(value, 8) };
        let (more, len) = leading_digits(u64::from_le_bytes(*word));
        self.pass(len);
        let value = value * POW10[len] + more;
        if len < 8 { Some((value, 8 + len)) } else { self.last_digits(value, 16) }
    }

    /// What follows `len` digits, which write `value`, one at a time.
    #[inline(always)]
    fn last_digits(&mut self, mut value: u64, mut len: usize) -> Option<(u64, usize)> {
        while let [byte @ b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
            len += 1;
            if len > DIGITS_MAX {
                return None;
            }
            value = value * 10 + u64::from(byte - b'0');
        }
        Some((value, len))
    }
}

/// Digits of a number that is read here: as many as surely fit `i64`.
const DIGITS_MAX: usize = 18;

const POW10: [u64; DIGITS_MAX + 1] = {
    let mut powers = [1; DIGITS_MAX + 1];
    let mut at = 1;
    while at <= DIGITS_MAX {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// The same; each of them is exact.
const REAL_POW10: [f64; DIGITS_MAX + 1] = {
    let mut powers = [1.0; DIGITS_MAX + 1];
    let mut at = 1;
    while at <= DIGITS_MAX {
        powers[at] = POW10[at] as f64;
        at += 1;
    }
    powers
};

const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The high bit of every byte that ends a plain text or may not be in one: a quote, a backslash, a control character.
/// Exact up to and including the lowest one.
#[inline(always)]
const fn stops(word: u64) -> u64 {
    let (quote, escape) = (word ^ each(b'"'), word ^ each(b'\\'));
    ((quote.wrapping_sub(each(1)) & !quote)
        | (escape.wrapping_sub(each(1)) & !escape)
        | (word.wrapping_sub(each(b' ')) & !word))
        & each(0x80)
}

/// How many bytes stand before the closing quote; `None` if an escape or a control character does, or if there is none.
#[inline(always)]
fn plain_len(rest: &[u8]) -> Option<usize> {
    let mut len = 0;
    while let Some(word) = rest.get(len..).and_then(<[u8]>::first_chunk::<8>) {
        let stops = stops(u64::from_le_bytes(*word));
        if stops != 0 {
            len += stops.trailing_zeros() as usize / 8;
            return (rest.get(len) == Some(&b'"')).then_some(len);
        }
        len += 8;
    }
    plain_len_at_end(rest, len)
}

fn plain_len_at_end(rest: &[u8], from: usize) -> Option<usize> {
    let tail = rest.get(from..)?;
    let len = tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
    (tail[len] == b'"').then_some(from + len)
}

/// The number that the digits at the front of eight bytes write, and how many they are.
#[inline(always)]
const fn leading_digits(word: u64) -> (u64, usize) {
    let values = word ^ each(b'0');
    // Adding 0x76 sets the high bit of every value from 10 to 127; the others have it already.
    let others = (((values & each(0x7f)) + each(0x76)) | values) & each(0x80);
    let count = others.trailing_zeros() as usize / 8;
    if count == 0 {
        return (0, 0);
    }
    // Shifted to the end, so that zeros stand before them.
    (eight_digits(values << (64 - 8 * count)), count)
}

/// The number of eight digit values, the first in the lowest byte.
#[inline(always)]
pub(super) const fn eight_digits(values: u64) -> u64 {
    let pairs = values.wrapping_mul(10) + (values >> 8);
    let fours = ((pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(1 + (100 << 16))) >> 16;
    ((fours & 0x0000_ffff_0000_ffff).wrapping_mul(1 + (10_000 << 32))) >> 32
}

/// `digits` / 10^`places`, correctly rounded; at most 18 digits, at most 18 places.
#[inline(always)]
fn quotient(digits: u64, places: usize) -> f64 {
    // Both are then exact, and a division rounds correctly (Clinger, "How to read floating point numbers accurately").
    if digits <= 1 << 53 {
        return digits as f64 / REAL_POW10[places];
    }
    long_quotient(digits, POW10[places])
}

/// The same for more digits than a floating-point number holds: by whole numbers, which know the quotient to the last
/// bit that counts and whether anything is left behind it.
fn long_quotient(digits: u64, divisor: u64) -> f64 {
    // At least 2^53 / 10^18: a shift by 64 leaves more than 57 bits of quotient, and below 2^124 nothing overflows.
    let dividend = u128::from(digits) << 64;
    let quotient = dividend / u128::from(divisor);
    let left = dividend - quotient * u128::from(divisor);
    // The lowest bit stands for everything below it: a conversion to 53 bits then rounds as if it saw all of it.
    let sticky = quotient | u128::from(left != 0);
    // Scaling by a power of two is exact.
    sticky as f64 * (1.0 / 18_446_744_073_709_551_616.0)
}
