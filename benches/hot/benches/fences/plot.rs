//! Draws nanoseconds a punch against the number of fences, as an SVG file.

use std::path::Path;

use plotters::prelude::*;

/// What was measured among so many fences, in nanoseconds a punch.
pub(crate) struct Point {
    pub(crate) fences: usize,
    /// In batches, the least round.
    pub(crate) batch: f64,
    /// Punches by themselves: half of them, and 99 of 100, take no longer.
    pub(crate) single_p50: f64,
    pub(crate) single_p99: f64,
}

/// A line: its name, its colour, its value at each point.
type Series = (&'static str, RGBColor, fn(&Point) -> f64);

/// Draws the points, both axes logarithmic.
pub(crate) fn write(path: &Path, points: &[Point]) -> Result<(), Box<dyn std::error::Error>> {
    const SERIES: [Series; 3] = [
        ("single punches, 99 of 100", RED, |point| point.single_p99),
        ("single punches, the middle one", RGBColor(200, 120, 0), |point| point.single_p50),
        ("batches of 1,000, mean", BLUE, |point| point.batch),
    ];
    let most = points.iter().fold(0.0_f64, |most, point| most.max(point.single_p99)) * 1.5;
    let (first, last) = (points.first().map_or(1, |p| p.fences), points.last().map_or(2, |p| p.fences));
    let root = SVGBackend::new(path, (760, 460)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("From a punch's fix to its verdict, one core", ("sans-serif", 18))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d((first as f64..last as f64).log_scale(), (10.0..most).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("fences (circles in skewed cities)")
        .y_desc("ns a punch")
        .x_label_formatter(&|fences| thousands(*fences))
        .y_label_formatter(&|ns| format!("{ns:.0}"))
        .light_line_style(WHITE)
        .draw()?;
    for (name, colour, of) in SERIES {
        let at = points.iter().map(|point| (point.fences as f64, of(point)));
        chart
            .draw_series(LineSeries::new(at.clone(), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(at.map(|point| Circle::new(point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}

/// 1000000 as 1,000,000.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let grouped = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    grouped.collect::<Vec<_>>().join(",")
}
