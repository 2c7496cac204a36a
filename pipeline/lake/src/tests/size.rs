//! How many bytes a row of `punches` takes in a file as the lake writes it. The bound guards the choice of encodings; the
//! figure itself is printed, and is measured again over real shapes in the benchmarks.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use schemas::tables::punches;

use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;

use super::support::{START, with_punch_at};
use crate::compact::sorted;
use crate::encode::encode;

/// Rows as a shift change makes them: 20,000 people in any order, a punch every 15 ms, random ids.
fn shift_change(rows: i64) -> arrow::array::RecordBatch {
    let mut random = StdRng::seed_from_u64(7);
    let mut builder = punches::Builder::default();
    for offset in 0..rows {
        let occurred_at = START.plus_us(offset * 15_000 + random.random_range(0..5_000_000));
        let day = occurred_at.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
        let event_id = crate::encode::uuid(random.random());
        let (employee_id, site_id) = (
            format!("E{:06}", random.random_range(0..20_000)),
            format!("hk-{:04}", random.random_range(0..900)),
        );
        with_punch_at(0, offset, occurred_at, day, |row| {
            let mut row = row.clone();
            row.event_id = &event_id;
            row.employee_id = &employee_id;
            row.site_id = Some(&site_id);
            row.distance_m = Some(f64::from(random.random_range(-10_000..2_000)) / 100.0);
            builder.append(&row);
        });
    }
    builder.finish()
}

/// Bytes a row, of the whole file and of each column.
fn bytes_a_row(batch: &arrow::array::RecordBatch) -> (f64, Vec<(String, f64)>) {
    let rows = batch.num_rows() as f64;
    let files = encode("punches", std::slice::from_ref(batch), u64::MAX).unwrap();
    let bytes: usize = files.iter().map(crate::encode::Encoded::len).sum();
    let reader = SerializedFileReader::new(files[0].bytes().clone()).unwrap();
    let groups = reader.metadata().row_groups();
    let columns = (0..groups[0].num_columns()).map(|at| {
        let bytes: i64 = groups.iter().map(|group| group.column(at).compressed_size()).sum();
        (groups[0].column(at).column_path().string(), bytes as f64 / rows)
    });
    (bytes as f64 / rows, columns.collect())
}

#[test]
fn a_row_of_punches_stays_small() {
    let written = shift_change(100_000);
    let compacted = sorted(std::slice::from_ref(&written)).unwrap();
    for (what, batch, bound) in [("as written", written, 45.0), ("compacted", compacted, 45.0)] {
        let (a_row, columns) = bytes_a_row(&batch);
        let columns: Vec<String> = columns
            .iter()
            .filter(|(_, bytes)| *bytes > 0.05)
            .map(|(name, bytes)| format!("{name} {bytes:.1}"))
            .collect();
        eprintln!("{what}: {a_row:.1} bytes a row: {}", columns.join(", "));
        // 16 of them are the random bits of a text UUID, which no encoding of text brings below 18; 5 are `local_time`.
        assert!(a_row < bound, "{what}: {a_row:.1} bytes a row");
    }
}
