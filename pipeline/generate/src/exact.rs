//! Logarithm, exponential, sine and cosine from the four basic operations alone, so that a seed gives the same bytes on
//! every machine.
//!
//! Why so: the standard library calls the platform's own mathematics, whose last digit differs between systems; one
//! such digit in ten million moves a coordinate's last decimal. Plain series are within 1e-14 of it, which is all that
//! sampling needs (`tests`).

use std::f64::consts::{FRAC_PI_2, LN_2, SQRT_2};

/// The part of π/2 that its nearest double leaves out.
const FRAC_PI_2_REST: f64 = 6.123_233_995_736_766e-17;
/// The part of ln 2 that its nearest double leaves out.
const LN_2_REST: f64 = 2.319_046_813_846_299_6e-17;

/// 1/1, 1/3, 1/5, …
const ODD_PARTS: [f64; 12] = reciprocals([1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23]);
/// 1/1, 1/2, 1/3, …
const PARTS: [f64; 14] = reciprocals([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
/// 1/(2·3), 1/(4·5), …
const SINE_PARTS: [f64; 9] = reciprocals([6, 20, 42, 72, 110, 156, 210, 272, 342]);
/// 1/(1·2), 1/(3·4), …
const COSINE_PARTS: [f64; 9] = reciprocals([2, 12, 30, 56, 90, 132, 182, 240, 306]);

const fn reciprocals<const N: usize>(numbers: [u32; N]) -> [f64; N] {
    let mut parts = [0.0; N];
    let mut place = 0;
    while place < N {
        parts[place] = 1.0 / numbers[place] as f64;
        place += 1;
    }
    parts
}

/// The natural logarithm of `x`; `x` is a normal number above 0.
pub(crate) fn ln(x: f64) -> f64 {
    debug_assert!(x.is_normal() && x > 0.0);
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if mantissa > SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // ln m = 2 (s + s³/3 + s⁵/5 + …) with s = (m − 1) / (m + 1), |s| ≤ 0.172.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = ODD_PARTS.iter().rev().fold(0.0, |sum, part| sum * square + part);
    exponent as f64 * LN_2 + 2.0 * s * series
}

/// e to the power `x`, for −700 ≤ `x` ≤ 700.
pub(crate) fn exp(x: f64) -> f64 {
    debug_assert!((-700.0..=700.0).contains(&x));
    let power = (x / LN_2).round();
    let rest = (x - power * LN_2) - power * LN_2_REST;
    let series = PARTS.iter().rev().fold(1.0, |sum, part| 1.0 + sum * rest * part);
    series * f64::from_bits(((1023 + power as i64) as u64) << 52)
}

/// Sine and cosine of `x` in radians, for |`x`| ≤ 10,000.
pub(crate) fn sin_cos(x: f64) -> (f64, f64) {
    debug_assert!(x.abs() <= 1e4);
    let quarter = (x / FRAC_PI_2).round();
    let rest = (x - quarter * FRAC_PI_2) - quarter * FRAC_PI_2_REST;
    let square = rest * rest;
    let sin = rest * SINE_PARTS.iter().rev().fold(1.0, |sum, part| 1.0 - sum * square * part);
    let cos = COSINE_PARTS.iter().rev().fold(1.0, |sum, part| 1.0 - sum * square * part);
    match (quarter as i64).rem_euclid(4) {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// Rounded to `decimals` decimals; what is written is what is meant.
pub(crate) fn rounded(x: f64, decimals: u32) -> f64 {
    let scale = 10_u32.pow(decimals);
    (x * f64::from(scale)).round() / f64::from(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_agree_with_the_platforms_functions() {
        for step in 1..4_000 {
            let x = f64::from(step) * 0.003_7;
            assert!((ln(x) - x.ln()).abs() <= 2e-15 * x.ln().abs().max(1.0), "ln {x}");
            for signed in [x, -x] {
                assert!((exp(signed) / signed.exp() - 1.0).abs() < 1e-14, "exp {signed}");
                let (sin, cos) = sin_cos(signed * 100.0);
                assert!((sin - (signed * 100.0).sin()).abs() < 5e-13, "sin {signed}");
                assert!((cos - (signed * 100.0).cos()).abs() < 5e-13, "cos {signed}");
            }
        }
        assert_eq!((ln(1.0), exp(0.0), sin_cos(0.0)), (0.0, 1.0, (0.0, 1.0)));
    }

    #[test]
    fn rounding_keeps_decimals() {
        assert_eq!(rounded(114.169_400_049, 7), 114.169_4);
        assert_eq!(rounded(-0.26, 1), -0.3);
    }
}
