//! One scrape, read back: samples by name and labels, distributions from buckets.
//!
//! In: Prometheus or OpenMetrics text.  Out: sums, values by label, quantiles.  Owns: the samples.
//! Absent on purpose: types, help texts, timestamps and exemplars: what is drawn needs none of them.
//! Invariants: a quantile lies in the bucket that holds it, interpolated as Prometheus' `histogram_quantile` does; one
//! beyond the last border is that border.

use std::collections::BTreeMap;
use std::fmt;

/// One line of a scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its name, suffixes (`_total`, `_bucket`) included.
    pub name: String,
    /// Its labels, as they stand.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: f64,
}

impl Sample {
    /// The label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

/// The samples of one scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(Vec<Sample>);

/// A line that is no sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSample {
    /// Its number, from 1.
    pub line: usize,
    /// Its beginning.
    pub text: String,
}

impl fmt::Display for NoSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is no sample of Prometheus' text format: {}", self.line, self.text)
    }
}

impl std::error::Error for NoSample {}

/// Characters of a wrong line that are told.
const TOLD_CHARS_MAX: usize = 80;

impl Samples {
    /// Reads the text of a scrape.
    ///
    /// # Errors
    /// The first line that is neither a comment nor a sample.
    pub fn parse(text: &str) -> Result<Self, NoSample> {
        let mut samples = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || NoSample { line: at + 1, text: line.chars().take(TOLD_CHARS_MAX).collect() };
            samples.push(parse_line(line).ok_or_else(wrong)?);
        }
        Ok(Self(samples))
    }

    /// Every sample, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }

    /// Every sample named `name`.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }

    /// The sum of the samples named `name`; none if there is no such sample.
    pub fn sum(&self, name: &str) -> Option<f64> {
        self.named(name).map(|sample| sample.value).reduce(|a, b| a + b)
    }

    /// The samples named `name` summed by `label`; those without it are left out.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for sample in self.named(name) {
            if let Some(value) = sample.label(label) {
                *sums.entry(value.to_owned()).or_default() += sample.value;
            }
        }
        sums
    }

    /// The histogram `name` (without `_bucket`), summed over its labels.
    pub fn distribution(&self, name: &str) -> Distribution {
        let mut below: Vec<(f64, f64)> = Vec::new();
        for sample in self.named(&format!("{name}_bucket")) {
            let Some(border) = sample.label("le").and_then(|text| text.parse::<f64>().ok()) else { continue };
            match below.iter_mut().find(|(known, _)| *known == border) {
                Some((_, count)) => *count += sample.value,
                None => below.push((border, sample.value)),
            }
        }
        below.sort_by(|a, b| a.0.total_cmp(&b.0));
        Distribution { below, sum: self.sum(&format!("{name}_sum")).unwrap_or(0.0) }
    }
}

/// A histogram: how many values lie at or below each border.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    below: Vec<(f64, f64)>,
    sum: f64,
}

impl Distribution {
    /// What came since `earlier`; everything, where this process has started anew since.
    pub fn since(&self, earlier: &Self) -> Self {
        let same =
            earlier.below.iter().map(|(border, _)| border).eq(self.below.iter().map(|(border, _)| border));
        if !same || earlier.count() > self.count() {
            return self.clone();
        }
        let below =
            self.below.iter().zip(&earlier.below).map(|((border, now), (_, then))| (*border, now - then));
        Self { below: below.collect(), sum: self.sum - earlier.sum }
    }

    /// How many values.
    pub fn count(&self) -> f64 {
        self.below.last().map_or(0.0, |(_, count)| *count)
    }

    /// Their mean.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0.0).then(|| self.sum / self.count())
    }

    /// The value that a share of `share` (0 to 1) lies at or below, as `histogram_quantile` estimates it.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        if count <= 0.0 {
            return None;
        }
        let rank = share * count;
        let at = self.below.iter().position(|(_, below)| *below >= rank)?;
        let (border, below) = self.below[at];
        let (from, before) = at.checked_sub(1).map_or((0.0, 0.0), |at| self.below[at]);
        if border.is_infinite() {
            return Some(from);
        }
        let inside = below - before;
        Some(if inside > 0.0 { from + (border - from) * (rank - before) / inside } else { border })
    }
}

fn parse_line(line: &str) -> Option<Sample> {
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, mut rest) = line.split_at(end);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        (labels, rest) = parse_labels(inside)?;
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// Names and values of labels.
type Labels = Vec<(String, String)>;

/// The labels up to the closing brace, and what is behind it.
fn parse_labels(mut text: &str) -> Option<(Labels, &str)> {
    let mut labels = Vec::new();
    loop {
        text = text.trim_start().trim_start_matches(',').trim_start();
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => value.push(other),
            }
        };
        labels.push((name.to_owned(), value));
        text = &rest[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(text: &str) -> Samples {
        Samples::parse(text).unwrap()
    }

    #[test]
    fn lines_of_every_form() {
        let text = "# HELP a b\n# TYPE a gauge\na 1\nb_total{x=\"1\",y=\"say \\\"hi\\\"\\n{\\\\}\",} 2.5e-3 1700000000\n\
                    c{} +Inf\nd -0.5 # {trace=\"1\"} 3\n\n# EOF\n";
        let found: Vec<Sample> = samples(text).iter().cloned().collect();
        let sample = |name: &str, labels: &[(&str, &str)], value| Sample {
            name: name.into(),
            labels: labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            value,
        };
        let expected = [
            sample("a", &[], 1.0),
            sample("b_total", &[("x", "1"), ("y", "say \"hi\"\n{\\}")], 0.0025),
            sample("c", &[], f64::INFINITY),
            sample("d", &[], -0.5),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_sample_is_named_with_its_line() {
        for bad in ["<html>", "a", "a b", "a{x=1} 1", "a{x=\"1\" 1", "a{x=\"1\\", "é 1", "{} 1"] {
            let error = Samples::parse(&format!("# c\n{bad}\n")).unwrap_err();
            assert_eq!((error.line, error.text.as_str()), (2, bad));
        }
    }

    #[test]
    fn sums_by_label() {
        let samples = samples("r{c=\"a\",p=\"0\"} 1\nr{c=\"b\",p=\"0\"} 2\nr{c=\"a\",p=\"1\"} 4\nr 8\n");
        assert_eq!(samples.sum("r"), Some(15.0));
        assert_eq!(samples.sum("none"), None);
        assert_eq!(samples.by("r", "c"), BTreeMap::from([("a".to_owned(), 5.0), ("b".to_owned(), 2.0)]));
    }

    #[test]
    fn quantiles_are_interpolated_as_prometheus_does() {
        let histogram = samples(
            "h_bucket{le=\"1\"} 10\nh_bucket{le=\"2\"} 30\nh_bucket{le=\"+Inf\"} 40\nh_sum 60\nh_count 40\n",
        )
        .distribution("h");
        for (share, value) in [(0.25, 1.0), (0.5, 1.5), (0.125, 0.5), (0.75, 2.0), (0.99, 2.0)] {
            assert_eq!(histogram.quantile(share), Some(value), "{share}");
        }
        assert_eq!((histogram.count(), histogram.mean()), (40.0, Some(1.5)));
        assert_eq!(Distribution::default().quantile(0.5), None);
    }

    #[test]
    fn a_distribution_since_an_earlier_one() {
        let at = |low: u32, all: u32| {
            samples(&format!("h_bucket{{le=\"1\"}} {low}\nh_bucket{{le=\"+Inf\"}} {all}\nh_sum {all}\n"))
                .distribution("h")
        };
        assert_eq!(at(7, 10).since(&at(7, 8)), at(0, 2));
        assert_eq!(at(1, 1).since(&at(7, 8)), at(1, 1), "a restart begins anew");
        assert_eq!(at(1, 2).since(&Distribution::default()), at(1, 2));
    }
}
