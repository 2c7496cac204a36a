//! A torment told on one page, and drawn.
//!
//! In: samples, faults, what was checked.  Out: `report.md` and `timeline.svg`.  Owns: nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use plotters::prelude::*;

use super::timeline::{Fault, Sample, worst_pause};

/// What is told of a run.
pub(crate) struct Run<'a> {
    pub(crate) seed: u64,
    pub(crate) samples: &'a [Sample],
    pub(crate) faults: &'a [Fault],
    /// What was checked, and on how much.
    pub(crate) checked: &'a [(&'static str, String)],
    /// From the last fault until nothing waited, seconds.
    pub(crate) calm_s: f64,
}

impl Run<'_> {
    /// Writes both files into `folder`.
    pub(crate) fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("report.md"), self.page()).unwrap();
        self.draw(&folder.join("timeline.svg")).unwrap();
    }

    /// The page.
    pub(crate) fn page(&self) -> String {
        let last = self.samples.last().expect("a run is looked at");
        let mut page = format!("# A tormented group, seed {}\n\n", self.seed);
        let (pause_s, at_s) = worst_pause(self.samples);
        let resident = self.samples.iter().map(|sample| sample.resident).max().unwrap_or(0);
        let lag = self.samples.iter().map(Sample::lag).max().unwrap_or(0);
        let figures = [
            ("lasted", format!("{:.0} s", last.at_s)),
            ("records appended and committed", format!("{} and {}", last.appended, last.committed)),
            ("faults", self.faults.len().to_string()),
            (
                "longest time in which records waited and none was committed",
                format!("{pause_s:.1} s, from second {at_s:.0}"),
            ),
            ("most records that waited", lag.to_string()),
            ("from the last fault until nothing waited", format!("{:.1} s", self.calm_s)),
            ("most memory of one process", format!("{} MiB", resident >> 20)),
        ];
        page += "| what | figure |\n|---|---:|\n";
        for (what, figure) in figures {
            writeln!(page, "| {what} | {figure} |").unwrap();
        }
        page += "\n| fault | times | longest, s |\n|---|---:|---:|\n";
        let mut by_kind: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
        for fault in self.faults {
            let (times, longest) = by_kind.entry(fault.what).or_default();
            (*times, *longest) = (*times + 1, longest.max(fault.until_s - fault.from_s));
        }
        for (what, (times, longest)) in by_kind {
            writeln!(page, "| {what} | {times} | {longest:.1} |").unwrap();
        }
        page += "\n| promise, held | looked at |\n|---|---|\n";
        for (promise, on) in self.checked {
            writeln!(page, "| {promise} | {on} |").unwrap();
        }
        page += "\n![Records a second, records that wait, faults](timeline.svg)\n";
        page
    }

    fn draw(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let root = SVGBackend::new(path, (1_000, 560)).into_drawing_area();
        root.fill(&WHITE)?;
        let (above, below) = root.split_vertically(280);
        let rates: Vec<(f64, f64)> = self.samples.windows(2).map(rate).collect();
        let lags: Vec<(f64, f64)> =
            self.samples.iter().map(|sample| (sample.at_s, sample.lag() as f64)).collect();
        self.panel(&above, "records committed a second", &rates, BLUE)?;
        self.panel(&below, "records that wait (grey: faults)", &lags, RED)?;
        root.present()?;
        Ok(())
    }

    fn panel(
        &self,
        area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
        name: &str,
        points: &[(f64, f64)],
        colour: RGBColor,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let most = points.iter().fold(1.0_f64, |most, (_, y)| most.max(*y)) * 1.1;
        let until = self.samples.last().map_or(1.0, |sample| sample.at_s);
        let mut chart = ChartBuilder::on(area)
            .caption(name, ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(32)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..until, 0.0..most)?;
        chart.configure_mesh().x_desc("seconds").light_line_style(WHITE).draw()?;
        let bar = |fault: &Fault| {
            let corners = [(fault.from_s, 0.0), (fault.until_s.max(fault.from_s + until / 500.0), most)];
            Rectangle::new(corners, BLACK.mix(0.15).filled())
        };
        chart.draw_series(self.faults.iter().map(bar))?;
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(1)))?;
        Ok(())
    }
}

/// Records committed a second between two looks.
fn rate(pair: &[Sample]) -> (f64, f64) {
    let (before, after) = (pair[0], pair[1]);
    let committed = after.committed.saturating_sub(before.committed) as f64;
    (after.at_s, committed / (after.at_s - before.at_s).max(1e-3))
}
