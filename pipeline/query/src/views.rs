//! The views, as SQL files under `views/`: what a payroll clerk reads, column by column, and how it comes about.
//!
//! In: nothing.  Out: `ALL`, in an order in which each view calls only earlier ones.  Owns: nothing.
//! Invariants: I-19 a view's header names exactly its columns, kept by `every_column_of_every_view_is_explained`;
//! I-20 every statistic equals a recount that shares nothing with the views, kept by `every_statistic_equals_a_recount`.
//! Why so: a definition that people are paid by is read by people: one file a view, its meaning above its SQL. What
//! several views share (days in halves, what counts as due) stands once, in a step they all build on.

use crate::catalog::RelationKind;

/// One stored query.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) kind: RelationKind,
    pub(crate) sql: &'static str,
}

const fn step(name: &'static str, sql: &'static str) -> View {
    View { name, kind: RelationKind::Step, sql }
}

const fn view(name: &'static str, sql: &'static str) -> View {
    View { name, kind: RelationKind::View, sql }
}

/// Every view; each calls only tables and earlier views.
pub(crate) const ALL: &[View] = &[
    view("sealed_months", include_str!("../views/sealed_months.sql")),
    view("latest_shift_results", include_str!("../views/latest_shift_results.sql")),
    view("latest_anomalies", include_str!("../views/latest_anomalies.sql")),
    view("latest_sites", include_str!("../views/latest_sites.sql")),
    view("latest_people", include_str!("../views/latest_people.sql")),
    step("field_punches_after_seals", include_str!("../views/field_punches_after_seals.sql")),
    view("latest_law_values", include_str!("../views/latest_law_values.sql")),
    step("law_by_org", include_str!("../views/law_by_org.sql")),
    view("latest_leave", include_str!("../views/latest_leave.sql")),
    step("results_by_scope", include_str!("../views/results_by_scope.sql")),
    step("days_by_scope", include_str!("../views/days_by_scope.sql")),
    step("months_by_scope", include_str!("../views/months_by_scope.sql")),
    view("attendance_days", include_str!("../views/attendance_days.sql")),
    view("monthly_statistics", include_str!("../views/monthly_statistics.sql")),
    view("monthly_statistics_by_site", include_str!("../views/monthly_statistics_by_site.sql")),
    view("monthly_statistics_by_org", include_str!("../views/monthly_statistics_by_org.sql")),
    view("shift_adjustments", include_str!("../views/shift_adjustments.sql")),
    view("monthly_adjustments", include_str!("../views/monthly_adjustments.sql")),
    step("people_at_work", include_str!("../views/people_at_work.sql")),
    step("hours_by_week", include_str!("../views/hours_by_week.sql")),
    view("weekly_hours", include_str!("../views/weekly_hours.sql")),
    view("four_week_hours", include_str!("../views/four_week_hours.sql")),
    view("continuous_contract", include_str!("../views/continuous_contract.sql")),
    step("worked_days", include_str!("../views/worked_days.sql")),
    view("rest_days", include_str!("../views/rest_days.sql")),
    view("hours_record", include_str!("../views/hours_record.sql")),
    view("hours_record_totals", include_str!("../views/hours_record_totals.sql")),
    view("monthly_leave", include_str!("../views/monthly_leave.sql")),
    view("monthly_rest", include_str!("../views/monthly_rest.sql")),
    view("latest_calendar_days", include_str!("../views/latest_calendar_days.sql")),
    step("overtime_rules", include_str!("../views/overtime_rules.sql")),
    step("overtime_permissions", include_str!("../views/overtime_permissions.sql")),
    view("unrostered_overtime", include_str!("../views/unrostered_overtime.sql")),
    view("monthly_overtime", include_str!("../views/monthly_overtime.sql")),
    view("people_without_shift", include_str!("../views/people_without_shift.sql")),
    view("lateness_hotspots", include_str!("../views/lateness_hotspots.sql")),
    step("punches_by_site_due", include_str!("../views/punches_by_site_due.sql")),
    step("fixes_by_feed", include_str!("../views/fixes_by_feed.sql")),
    view("site_health", include_str!("../views/site_health.sql")),
    view("suspicion_quality", include_str!("../views/suspicion_quality.sql")),
    view("device_health", include_str!("../views/device_health.sql")),
    view("vendor_differences", include_str!("../views/vendor_differences.sql")),
];

/// What a view's header says: the sentences before its column list, and (column, meaning) for each line of the list.
/// A header is the comment a file opens with; a column's line is `--   name  meaning`, continued by deeper lines.
pub(crate) fn described(sql: &str) -> (String, Vec<(String, String)>) {
    let mut about = String::new();
    let mut meanings: Vec<(String, String)> = Vec::new();
    for line in sql.lines().map_while(|line| line.strip_prefix("--")) {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        let (into, text) = match (indent, text.split_once("  ")) {
            (3, Some((name, meaning))) => {
                meanings.push((name.to_owned(), String::new()));
                (meanings.last_mut().map(|(_, meaning)| meaning), meaning.trim())
            }
            (4.., _) => (meanings.last_mut().map(|(_, meaning)| meaning), text),
            _ if meanings.is_empty() => (Some(&mut about), text),
            _ => (None, text),
        };
        if let (Some(into), false) = (into, text.is_empty()) {
            if !into.is_empty() {
                into.push(' ');
            }
            into.push_str(text);
        }
    }
    (about, meanings)
}
