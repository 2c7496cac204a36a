-- One row per org and month, each org with everything below it: hk holds hk/kln, and hk/kln holds hk/kln/mong-kok.
--
-- Rows of different depth overlap; add up rows of one depth only. A person's day counts once in each org, however many
-- of its sites it was spent at, so the orgs at the root show the sum of their people's monthly_statistics. A site
-- without an org is in no row.
--
--   org                     the org's path
--   depth                   how many steps below nothing: 1 for hk, 2 for hk/kln
--   month                   the month of the business dates, 2026-11
--   people                  people who had a shift at a site in it
--   due_days                days on which something was due, in halves; a day wholly on leave is not due
--   attended_days           of these, days attended, in halves; a missing punch at one end is attended
--   attendance_rate         attended_days / due_days, a ratio of sums; null when nothing was due
--   attendance_rate_by_time  worked time / due time, a ratio of sums; null when nothing was due; above 1 where people
--                           worked longer than was due
--   attendance_rate_legal   attended_days / days due where only leave that the law gives (law_values, legal_leave.TYPE)
--                           is not due; null when nothing was
--   attendance_rate_planned  attended_days / days with a shift, on leave or not; null without any
--   absent_days             due_days - attended_days
--   late_as_absent_days     of absent_days, those absent only for coming too late: they were worked, hours stand
--   due_min                 minutes due: planned time less unpaid breaks, less leave
--   worked_s                true seconds worked less unpaid breaks, of the shifts where both ends are known
--   worked_min              whole minutes of worked_s, rounded down once, on the sum
--   late_count              shifts begun late, seriously late ones included
--   late_min                late minutes, after grace
--   serious_late_count      of late_count, the seriously late ones
--   early_count             shifts left early
--   early_min               minutes left early, after grace
--   missing_in              shifts whose in is missing; an absent shift misses both
--   missing_out             shifts whose out is missing; an absent shift misses both
--   leave_min               minutes of leave within the due time
--   overtime_min            minutes of overtime, as the policy counts them
--   overtime_workday_min    of these, on workdays
--   overtime_rest_min       of these, on days of rest
--   overtime_holiday_min    of these, on holidays
--   night_s                 of worked_s, seconds within the policies' nights
--   unresolved_shifts       shifts whose result may still change: wait for 0 before paying
--   field_count             punches made in the field for shifts of its sites
--   make_up_count           approved corrections (補卡) that hold an end of a shift, each counted once
--   statutory_holidays_worked  days worked on holidays to which the law entitles everybody
--   place_anomaly_count     findings that a punch was outside, or in another store than the shift's, resolved ones too
--   device_anomaly_count    findings that a device's clock was wrong, resolved ones too. Suspicions (mocked fixes and such)
--                           are for a reviewer and are not counted
SELECT
  scope AS org, CAST(array_length(string_to_array(scope, '/')) AS BIGINT) AS depth, month, people,
  due_days, attended_days, attendance_rate, attendance_rate_by_time, attendance_rate_legal,
  attendance_rate_planned, absent_days, late_as_absent_days, due_min, worked_s, worked_min,
  late_count, late_min, serious_late_count, early_count, early_min, missing_in, missing_out, leave_min,
  overtime_min, overtime_workday_min, overtime_rest_min, overtime_holiday_min, night_s,
  unresolved_shifts, field_count, make_up_count, statutory_holidays_worked,
  place_anomaly_count, device_anomaly_count
FROM months_by_scope
WHERE scope_kind = 'org'
