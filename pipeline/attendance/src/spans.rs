//! Stretches of time as half-open pairs, and how long a union of them is.

use model::EventTime;
use smallvec::SmallVec;

/// From the first instant until the one after the last.
pub(crate) type Span = (EventTime, EventTime);

/// A shift's few spans, without an allocation up to four.
pub(crate) type Spans = SmallVec<[Span; 4]>;

/// The part of `span` within `within`, if any.
pub(crate) fn clip(span: Span, within: Span) -> Option<Span> {
    let clipped = (span.0.max(within.0), span.1.min(within.1));
    (clipped.0 < clipped.1).then_some(clipped)
}

/// Sorts the spans and joins those that touch or overlap.
pub(crate) fn join(spans: &mut Spans) {
    spans.sort_unstable();
    let mut kept = 0;
    for at in 0..spans.len() {
        if kept > 0 && spans[at].0 <= spans[kept - 1].1 {
            spans[kept - 1].1 = spans[kept - 1].1.max(spans[at].1);
        } else {
            spans[kept] = spans[at];
            kept += 1;
        }
    }
    spans.truncate(kept);
}

/// Microseconds in joined spans.
pub(crate) fn length_us(joined: &[Span]) -> i64 {
    joined.iter().map(|span| span.1.us_since(span.0)).sum()
}

/// The parts of the joined `spans` that no span of the joined `holes` covers.
pub(crate) fn subtract(spans: &[Span], holes: &[Span]) -> Spans {
    let mut left = Spans::new();
    for span in spans {
        let mut from = span.0;
        for hole in holes.iter().filter(|hole| hole.0 < span.1 && hole.1 > span.0) {
            if hole.0 > from {
                left.push((from, hole.0));
            }
            from = from.max(hole.1);
        }
        if from < span.1 {
            left.push((from, span.1));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(i64, i64)]) -> Spans {
        pairs.iter().map(|(from, until)| (EventTime::from_us(*from), EventTime::from_us(*until))).collect()
    }

    #[test]
    fn joining_and_subtracting_agree_with_counting_instants() {
        for (a, b) in [
            (vec![(0, 5), (5, 9), (12, 20)], vec![(3, 4), (8, 13)]),
            (vec![(4, 8), (0, 10)], vec![(0, 10)]),
            (vec![(0, 10)], vec![(2, 3), (3, 4), (9, 30)]),
            (vec![], vec![(1, 2)]),
        ] {
            let (mut one, mut two) = (spans(&a), spans(&b));
            join(&mut one);
            join(&mut two);
            let holds = |pairs: &[(i64, i64)], at: i64| {
                pairs.iter().any(|(from, until)| (*from..*until).contains(&at))
            };
            let counted = (0..40).filter(|at| holds(&a, *at) && !holds(&b, *at)).count();
            assert_eq!(length_us(&subtract(&one, &two)), counted as i64, "{a:?} less {b:?}");
            assert_eq!(length_us(&one), (0..40).filter(|at| holds(&a, *at)).count() as i64);
        }
    }
}
