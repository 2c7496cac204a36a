//! What one fence makes of one fix: inside, uncertain or outside (contract, section 3).
//!
//! With d = signed metres to the fence, t = tolerance, a = accuracy, r = t + min(a, 100):
//! lenient: inside d ≤ 0, outside d > r · centre: inside d ≤ t, else outside · strict: inside d ≤ −a, outside d > r ·
//! probability: inside if Φ(−d/σ) ≥ 0.95, outside if ≤ 0.05 · otherwise uncertain.
//! Φ is never computed: it grows with its argument, so the two bounds on it are two bounds on −d/σ. The tolerance has
//! no part in `probability`.

use model::{FenceRule, Place, Platform};

/// A fix explains at most this much of a distance by its accuracy, in metres.
const ACCURACY_CAP_M: f64 = 100.0;
/// Φ(x) ≥ 0.95 just where x ≥ this.
const QUANTILE_95: f64 = 1.644_853_626_951_472_6;

/// How good a usable fix is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Accuracy {
    /// The radius in metres, > 0.
    pub(crate) radius_m: f64,
    /// Whose definition of a radius it follows.
    pub(crate) platform: Platform,
}

impl Accuracy {
    /// Standard deviation in metres along one axis: Android tells a 68th percentile radius, iOS √(σe² + σn²)
    /// (`research/matching.md`, section 5.1).
    fn sigma_m(self) -> f64 {
        match self.platform {
            Platform::Ios => 0.707 * self.radius_m,
            Platform::Android | Platform::Unknown => 0.662 * self.radius_m,
        }
    }
}

/// What a fence `d_m` signed metres away says under `rule` with a tolerance of `t_m` metres.
pub(crate) fn judge(rule: FenceRule, d_m: f64, t_m: f64, accuracy: Accuracy) -> Place {
    let holds = match rule {
        FenceRule::Lenient => d_m <= 0.0,
        FenceRule::Centre => d_m <= t_m,
        FenceRule::Strict => d_m <= -accuracy.radius_m,
        FenceRule::Probability => -d_m >= QUANTILE_95 * accuracy.sigma_m(),
    };
    if holds {
        return Place::Inside;
    }
    let excludes = match rule {
        FenceRule::Lenient | FenceRule::Strict => d_m > t_m + accuracy.radius_m.min(ACCURACY_CAP_M),
        FenceRule::Centre => true,
        FenceRule::Probability => d_m >= QUANTILE_95 * accuracy.sigma_m(),
    };
    if excludes { Place::Outside } else { Place::Uncertain }
}

/// Metres up to which a fence with a tolerance of `t_m` is inside.
pub(crate) fn inside_m(rule: FenceRule, t_m: f64, accuracy: Accuracy) -> f64 {
    match rule {
        FenceRule::Lenient => 0.0,
        FenceRule::Centre => t_m,
        FenceRule::Strict => -accuracy.radius_m,
        FenceRule::Probability => -QUANTILE_95 * accuracy.sigma_m(),
    }
}

/// Metres beyond which no fence with a tolerance of at most `t_m` is inside or uncertain.
pub(crate) fn reach_m(rule: FenceRule, t_m: f64, accuracy: Accuracy) -> f64 {
    match rule {
        FenceRule::Lenient | FenceRule::Strict => t_m + accuracy.radius_m.min(ACCURACY_CAP_M),
        FenceRule::Centre => t_m,
        FenceRule::Probability => QUANTILE_95 * accuracy.sigma_m(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANDROID_20: Accuracy = Accuracy { radius_m: 20.0, platform: Platform::Android };

    /// One line a case: `rule t a platform: d place, d place, …`, each border with both its sides.
    #[test]
    fn every_rule_holds_on_both_sides_of_its_borders() {
        check(
            "lenient 0 20 android: -50 inside, 0 inside, 0.000001 uncertain, 20 uncertain, 20.000001 outside",
        );
        check("lenient 30 20 android: 0 inside, 0.000001 uncertain, 50 uncertain, 50.000001 outside");
        check("lenient 0 400 android: 0 inside, 100 uncertain, 100.000001 outside");
        check("lenient 30 400 ios: 130 uncertain, 130.000001 outside");
        check("centre 0 20 android: 0 inside, 0.000001 outside");
        check("centre 30 400 android: 30 inside, 30.000001 outside");
        check("strict 0 20 android: -20 inside, -19.999999 uncertain, 20 uncertain, 20.000001 outside");
        check("strict 30 400 android: -400 inside, -399 uncertain, 130 uncertain, 130.000001 outside");
        // 1.6448536 × 0.662 × 100 = 108.889310; × 0.707 = 116.291151.
        check(
            "probability 0 100 android: -108.8894 inside, -108.8893 uncertain, 108.8893 uncertain, 108.8894 outside",
        );
        check(
            "probability 0 100 unknown: -108.8894 inside, -108.8893 uncertain, 108.8893 uncertain, 108.8894 outside",
        );
        check(
            "probability 0 100 ios: -116.2912 inside, -116.2911 uncertain, 116.2911 uncertain, 116.2912 outside",
        );
        check("probability 50 100 ios: -116.2911 uncertain, 116.2912 outside");
    }

    fn check(case: &str) {
        let (head, expected) = case.split_once(": ").unwrap();
        let head: Vec<_> = head.split(' ').collect();
        let platform = match head[3] {
            "ios" => Platform::Ios,
            "android" => Platform::Android,
            _ => Platform::Unknown,
        };
        let accuracy = Accuracy { radius_m: head[2].parse().unwrap(), platform };
        for line in expected.split(", ") {
            let (d, place) = line.split_once(' ').unwrap();
            let rule = FenceRule::from_name(head[0]).unwrap();
            let told = judge(rule, d.parse().unwrap(), head[1].parse().unwrap(), accuracy);
            assert_eq!(told.name(), place, "{case} at {d}");
        }
    }

    #[test]
    fn a_place_is_told_by_the_two_borders() {
        for rule in FenceRule::ALL {
            for (t, a) in [(0.0, 1.0), (0.0, 500.0), (250.0, 30.0), (10.0, 100.0)] {
                for platform in [Platform::Android, Platform::Ios] {
                    let accuracy = Accuracy { radius_m: a, platform };
                    let (inside, reach) = (inside_m(*rule, t, accuracy), reach_m(*rule, t, accuracy));
                    assert_eq!(judge(*rule, inside - 1e-6, t, accuracy), Place::Inside, "{rule:?} {t} {a}");
                    if inside < reach {
                        let between = judge(*rule, inside + 1e-6, t, accuracy);
                        assert_eq!(between, Place::Uncertain, "{rule:?} {t} {a}");
                    }
                    assert_eq!(judge(*rule, reach + 1e-6, t, accuracy), Place::Outside, "{rule:?} {t} {a}");
                    assert_ne!(judge(*rule, reach - 1e-6, t, accuracy), Place::Outside, "{rule:?} {t} {a}");
                }
            }
        }
    }

    /// Policy properties: more tolerance never turns inside to outside, nor uncertain to outside; what is inside
    /// strictly is inside leniently; what the centre does not exclude, leniency with the same tolerance does not.
    #[test]
    fn rules_are_ordered() {
        let distances = || (-3_000..3_000).map(|step| f64::from(step) * 0.1);
        let rank = |place: Place| match place {
            Place::Inside => 0,
            Place::Uncertain => 1,
            _ => 2,
        };
        for a in [1.0, 19.5, 100.0, 240.0] {
            let accuracy = Accuracy { radius_m: a, ..ANDROID_20 };
            for d in distances() {
                for rule in FenceRule::ALL {
                    let ranks = [0.0, 5.0, 60.0, 200.0].map(|t| rank(judge(*rule, d, t, accuracy)));
                    assert!(ranks.is_sorted_by(|less, more| more <= less), "{rule:?} d {d} a {a}: {ranks:?}");
                }
                for t in [0.0, 5.0, 60.0, 200.0] {
                    let told = |rule| judge(rule, d, t, accuracy);
                    if told(FenceRule::Strict) == Place::Inside {
                        assert_eq!(told(FenceRule::Lenient), Place::Inside, "d {d} t {t} a {a}");
                    }
                    if told(FenceRule::Centre) != Place::Outside {
                        assert_ne!(told(FenceRule::Lenient), Place::Outside, "d {d} t {t} a {a}");
                    }
                }
            }
        }
    }

    /// The quantile against Φ by numerical integration: Φ(x) = ½ + ∫₀ˣ e^(−u²/2) / √(2π) du.
    #[test]
    fn the_quantile_is_that_of_the_normal_distribution() {
        let density = |u: f64| (-0.5 * u * u).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let steps = 20_000;
        let h = QUANTILE_95 / f64::from(steps);
        let simpson: f64 = (0..steps)
            .map(|i| {
                let u = f64::from(i) * h;
                (density(u) + 4.0 * density(u + 0.5 * h) + density(u + h)) * h / 6.0
            })
            .sum();
        assert!((0.5 + simpson - 0.95).abs() < 1e-12, "{simpson}");
    }
}
