//! Rows under a title, in columns: texts to the left, numbers to the right.
//!
//! Owns: the cells of one table.

/// One table in the making.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    columns: Vec<String>,
}

impl Table {
    /// Without rows.
    pub(super) fn new(columns: &[&str]) -> Self {
        Self { rows: Vec::new(), columns: columns.iter().map(|&name| name.to_owned()).collect() }
    }

    /// Adds a row of as many cells as there are columns.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// The table below `title`; `title: none` without rows.
    pub(super) fn titled(self, title: &str) -> String {
        if self.rows.is_empty() {
            return format!("{title}: none");
        }
        let is_number = |cell: &String| cell == "-" || cell.trim_end_matches('%').parse::<f64>().is_ok();
        let last = self.columns.len() - 1;
        let lines = std::iter::once(&self.columns).chain(&self.rows);
        let layout: Vec<(usize, bool)> = (0..=last)
            .map(|column| {
                let width = lines.clone().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
                (width, self.rows.iter().all(|cells| is_number(&cells[column])))
            })
            .collect();
        let line = |cells: &Vec<String>| {
            let padded = cells.iter().zip(&layout).enumerate().map(|(column, (cell, (width, is_right)))| {
                match (is_right, column == last) {
                    (true, _) => format!("{cell:>width$}"),
                    (false, false) => format!("{cell:<width$}"),
                    (false, true) => cell.clone(),
                }
            });
            format!("  {}", padded.collect::<Vec<_>>().join("  "))
        };
        let text = lines.map(line).collect::<Vec<_>>().join("\n");
        format!("{title}\n{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right() {
        let mut table = Table::new(&["site", "m", "why"]);
        table.row(vec!["a".to_owned(), "-7".to_owned(), "x y".to_owned()]);
        table.row(vec!["long".to_owned(), "100".to_owned(), "z".to_owned()]);
        assert_eq!(table.titled("t"), "t\n  site    m  why\n  a      -7  x y\n  long  100  z");
        assert_eq!(Table::new(&["site"]).titled("t"), "t: none");
    }
}
