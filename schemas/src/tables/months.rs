//! A record batch cut by its partition column.

use arrow::array::{Array, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;

use super::MONTH_COLUMN;
use super::read::{ReadError, Rows};

/// Runs of this many rows on average are cut out as they are: nothing is copied. Shorter ones are gathered.
const RUN_ROWS_MIN: usize = 256;

/// The batch cut by month; rows of a month keep their order, and the month stays in the rows as their last column. A month
/// comes several times where a few rows of others (a device whose clock is years ahead) lie between long runs of it.
pub fn split_by_month(batch: &RecordBatch) -> Result<Vec<(String, RecordBatch)>, ReadError> {
    let months = Rows::new("any table", batch).array::<StringArray>(MONTH_COLUMN)?;
    // Each run: its first row, and its month's place among those seen.
    let (mut seen, mut runs): (Vec<&str>, Vec<(usize, usize)>) = (Vec::new(), Vec::new());
    for row in 0..months.len() {
        let month = months.value(row);
        if runs.last().is_some_and(|(_, place)| seen[*place] == month) {
            continue;
        }
        let place = seen.iter().position(|other| *other == month).unwrap_or(seen.len());
        if place == seen.len() {
            seen.push(month);
        }
        runs.push((row, place));
    }
    let ends = runs.iter().skip(1).map(|(first, _)| *first).chain([months.len()]);
    if runs.len() <= seen.len() || months.len() / runs.len() >= RUN_ROWS_MIN {
        let cut = |((first, place), end): (&(usize, usize), usize)| {
            (seen[*place].to_owned(), batch.slice(*first, end - *first))
        };
        return Ok(runs.iter().zip(ends).map(cut).collect());
    }
    let lengths: Vec<usize> = runs.iter().zip(ends).map(|((first, _), end)| end - first).collect();
    let part = |(wanted, month): (usize, &&str)| {
        let mask: BooleanArray = runs
            .iter()
            .zip(&lengths)
            .flat_map(|((_, place), length)| std::iter::repeat_n(Some(*place == wanted), *length))
            .collect();
        filter_record_batch(batch, &mask).map(|part| ((*month).to_owned(), part))
    };
    seen.iter().enumerate().map(part).collect::<Result<_, _>>().map_err(ReadError::from)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;

    /// Rows numbered from 0, in runs of a length and a month each.
    fn parts(runs: &[(usize, &str)]) -> Vec<(String, Vec<i64>)> {
        let months = runs.iter().flat_map(|(rows, month)| std::iter::repeat_n(*month, *rows));
        let months: StringArray = months.map(Some).collect();
        let rows = Int64Array::from_iter_values(0..months.len() as i64);
        let columns = [("row", Arc::new(rows) as ArrayRef), (MONTH_COLUMN, Arc::new(months) as ArrayRef)];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let told = |(month, part): (String, RecordBatch)| {
            let months = part.column(1).as_string::<i32>();
            assert!(months.iter().all(|other| other == Some(&*month)));
            (month, part.column(0).as_primitive::<Int64Type>().values().to_vec())
        };
        split_by_month(&batch).unwrap().into_iter().map(told).collect()
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "ranges of rows, of which a part has one or more")]
    fn long_runs_are_cut_and_short_ones_gathered() {
        let (a, b) = ("2026-11", "2031-01");
        let month = |month: &str, rows: &[std::ops::Range<i64>]| {
            (month.to_owned(), rows.iter().cloned().flatten().collect::<Vec<_>>())
        };
        assert_eq!(parts(&[]), []);
        assert_eq!(parts(&[(3, a)]), [month(a, &[0..3])]);
        assert_eq!(parts(&[(2, a), (3, b)]), [month(a, &[0..2]), month(b, &[2..5])]);
        assert_eq!(parts(&[(2, a), (1, b), (2, a)]), [month(a, &[0..2, 3..5]), month(b, &[2..3])]);
        assert_eq!(
            parts(&[(600, a), (1, b), (600, a)]),
            [month(a, &[0..600]), month(b, &[600..601]), month(a, &[601..1201])]
        );
    }
}
