//! Draws nanoseconds a punch against the number of fences, as an SVG file.

use std::path::Path;

use plotters::prelude::*;

/// Draws the points (fences, nanoseconds), fences on a logarithmic axis.
pub(crate) fn write(path: &Path, points: &[(usize, f64)]) -> Result<(), Box<dyn std::error::Error>> {
    let most = points.iter().fold(0.0_f64, |most, point| most.max(point.1)) * 1.15;
    let (first, last) = (points.first().map_or(1, |p| p.0), points.last().map_or(2, |p| p.0));
    let root = SVGBackend::new(path, (720, 420)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Match by GPS, in batches, one core", ("sans-serif", 18))
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d((first as f64..last as f64).log_scale(), 0.0..most)?;
    let label = |fences: &f64| format!("{fences:.0}");
    chart
        .configure_mesh()
        .x_desc("fences")
        .y_desc("ns a punch, least round")
        .x_label_formatter(&label)
        .draw()?;
    let points = points.iter().map(|(fences, ns)| (*fences as f64, *ns));
    chart.draw_series(LineSeries::new(points.clone(), BLUE.stroke_width(2)))?;
    chart.draw_series(points.map(|point| Circle::new(point, 3, BLUE.filled())))?;
    root.present()?;
    Ok(())
}
