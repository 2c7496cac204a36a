//! What a shadow's lake tells of each site: statements as SQL files under `shadow/`, asked for the days since one.
//!
//! In: a first day.  Out: the text of a statement.  Owns: nothing.
//! Absent on purpose: what follows from the figures (`muster` suggests), and which access points are listed: only the files of
//! sites know.
//! Why so: not views, since every figure is about the same few days: those for which fixes are kept.

use jiff::civil::Date;

/// One of the statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShadowStatement {
    /// Success and distances, a row for each site.
    Sites,
    /// Access points seen in a site's fence, a row for each.
    AccessPoints,
    /// Access points that name another site than the fixes do.
    Misjudged,
    /// People without a shift.
    Unrostered,
    /// Comings by late minutes, a row for each site and step of five minutes.
    Lateness,
    /// What would have been said, a row for each site, kind and audience.
    Alerts,
}

impl ShadowStatement {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Sites, Self::AccessPoints, Self::Misjudged, Self::Unrostered, Self::Lateness, Self::Alerts];

    /// The statement about business dates from `since` on.
    pub fn since(self, since: Date) -> String {
        self.text().replace("$since", &format!("CAST('{since}' AS DATE)"))
    }

    /// Its file.
    const fn text(self) -> &'static str {
        match self {
            Self::Sites => include_str!("../shadow/sites.sql"),
            Self::AccessPoints => include_str!("../shadow/access_points.sql"),
            Self::Misjudged => include_str!("../shadow/misjudged.sql"),
            Self::Unrostered => include_str!("../shadow/unrostered.sql"),
            Self::Lateness => include_str!("../shadow/lateness.sql"),
            Self::Alerts => include_str!("../shadow/alerts.sql"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::LakeTables;
    use crate::session::{Options, Session};
    use crate::views::described;

    #[tokio::test]
    async fn every_column_of_every_statement_is_explained() {
        let session = Session::over(LakeTables::nothing(), Options::default()).await.unwrap();
        for statement in ShadowStatement::ALL {
            let answer = session.sql(&statement.since(jiff::civil::date(2026, 11, 2))).await.unwrap();
            let columns: Vec<String> =
                answer.schema.fields().iter().map(|field| field.name().clone()).collect();
            let explained: Vec<String> =
                described(statement.text()).1.into_iter().map(|(name, _)| name).collect();
            assert_eq!(columns, explained, "{statement:?}");
        }
    }
}
