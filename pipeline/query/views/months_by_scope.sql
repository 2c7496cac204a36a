-- One row per scope and month: the sums that the monthly statistics of people, sites and orgs show. A step.
--
-- Rates are ratios of these sums, never means of rates: a person with two due days weighs a tenth of one with twenty.
--
--   scope_kind              employee, site or org
--   scope                   which
--   month                   the month, 2026-11
--   site_org                the site's org on the last day of the month with a shift, for scope_kind site; else null
--   people                  people with a shift in the month
--   due_days                days due, in halves
--   attended_days           days attended, in halves
--   attendance_rate         attended_days / due_days; null when nothing was due
--   attendance_rate_by_time  worked time / due time; null when nothing was due; above 1 where people worked longer
--   attendance_rate_legal   attended_days / days due where only leave that the law gives (law_values, legal_leave.TYPE)
--                           is not due; null when nothing was
--   attendance_rate_planned  attended_days / days with a shift, on leave or not; null without any
--   absent_days             due_days - attended_days
--   late_as_absent_days     of absent_days, those absent only for coming too late: they were worked, hours stand
--   due_min                 minutes due
--   worked_s                true seconds worked, of the shifts where both ends are known
--   worked_min              whole minutes of worked_s, rounded down once, on the sum
--   late_count              shifts begun late, seriously late ones included
--   late_min                late minutes
--   serious_late_count      seriously late shifts
--   early_count             shifts left early
--   early_min               minutes left early
--   missing_in              shifts whose in is missing; an absent shift misses both
--   missing_out             shifts whose out is missing; an absent shift misses both
--   leave_min               minutes of leave within the due time
--   overtime_min            minutes of overtime
--   overtime_workday_min    of these, on workdays
--   overtime_rest_min       of these, on days of rest
--   overtime_holiday_min    of these, on holidays
--   night_s                 of worked_s, seconds within the policies' nights
--   unresolved_shifts       shifts that are not final: their figures may still change
--   field_count             punches made in the field
--   make_up_count           corrections in force, each counted once
--   statutory_holidays_worked  days worked on holidays to which the law entitles everybody
--   place_anomaly_count     findings that a punch was outside, or in another store than the shift's, resolved ones too
--   device_anomaly_count    findings that a device's clock was wrong, resolved ones too. Suspicions (mocked fixes and such)
--                           are for a reviewer and are not counted
WITH months AS (
  SELECT
    scope_kind, scope, month,
    last_value(site_org ORDER BY business_date) AS site_org,
    count(DISTINCT employee_id) AS people,
    sum(due_days) AS due_days,
    sum(attended_days) AS attended_days,
    sum(due_legal_days) AS due_legal_days,
    sum(planned_days) AS planned_days,
    sum(late_as_absent_days) AS late_as_absent_days,
    sum(statutory_worked) AS statutory_holidays_worked,
    sum(due_min) AS due_min,
    coalesce(sum(worked_s), 0) AS worked_s,
    sum(late_count) AS late_count,
    sum(late_min) AS late_min,
    sum(serious_late_count) AS serious_late_count,
    sum(early_count) AS early_count,
    sum(early_min) AS early_min,
    sum(missing_in) AS missing_in,
    sum(missing_out) AS missing_out,
    sum(leave_min) AS leave_min,
    sum(overtime_min) AS overtime_min,
    sum(overtime_workday_min) AS overtime_workday_min,
    sum(overtime_rest_min) AS overtime_rest_min,
    sum(overtime_holiday_min) AS overtime_holiday_min,
    sum(night_s) AS night_s,
    sum(unresolved_shifts) AS unresolved_shifts,
    sum(field_count) AS field_count
  FROM days_by_scope
  GROUP BY scope_kind, scope, month
),
-- Few shifts carry a correction, so these are looked for first and then held against newer versions: the same shifts
-- as in latest_shift_results, without sorting all of them a second time.
made_up AS (
  SELECT s.business_month AS month, s.employee_id, s.site_id, s.org, unnest(s.correction_ids) AS correction_id
  FROM (
    SELECT r.*, m.month AS sealed_month
    FROM shift_results AS r LEFT JOIN (SELECT DISTINCT month FROM sealed_months) AS m ON m.month = r.business_month
    WHERE array_length(r.correction_ids) > 0
  ) AS s
  WHERE NOT EXISTS (
    SELECT 1 FROM shift_results AS n
    WHERE n.shift_id = s.shift_id AND n.employee_id = s.employee_id AND n.version > s.version
      AND (s.sealed_month IS NULL OR n.business_month = s.sealed_month)
  )
),
made_up_by_scope AS (
  SELECT 'employee' AS scope_kind, employee_id AS scope, month, correction_id FROM made_up
  UNION ALL
  SELECT 'site' AS scope_kind, site_id AS scope, month, correction_id FROM made_up
  UNION ALL
  SELECT 'org' AS scope_kind, array_to_string(array_slice(parts, 1, depth), '/') AS scope, month, correction_id
  FROM (
    SELECT month, correction_id, parts, unnest(range(1, CAST(array_length(parts) AS BIGINT) + 1)) AS depth
    FROM (SELECT month, correction_id, string_to_array(org, '/') AS parts FROM made_up)
  )
),
make_ups AS (
  SELECT scope_kind, scope, month, count(DISTINCT correction_id) AS make_up_count
  FROM made_up_by_scope
  GROUP BY scope_kind, scope, month
),
-- A finding that was resolved stands in the table twice, as one anomaly_id.
found AS (
  SELECT
    business_month AS month, employee_id, site_id, org, anomaly_id,
    CASE WHEN kind = 'clock_suspect' THEN 1 ELSE 0 END AS is_device
  FROM anomalies
  WHERE kind IN ('outside', 'wrong_store', 'clock_suspect') AND employee_id IS NOT NULL
),
found_by_scope AS (
  SELECT 'employee' AS scope_kind, employee_id AS scope, month, anomaly_id, is_device FROM found
  UNION ALL
  SELECT 'site' AS scope_kind, site_id AS scope, month, anomaly_id, is_device FROM found WHERE site_id IS NOT NULL
  UNION ALL
  SELECT 'org' AS scope_kind, array_to_string(array_slice(parts, 1, depth), '/') AS scope, month, anomaly_id, is_device
  FROM (
    SELECT month, anomaly_id, is_device, parts, unnest(range(1, CAST(array_length(parts) AS BIGINT) + 1)) AS depth
    FROM (SELECT month, anomaly_id, is_device, string_to_array(org, '/') AS parts FROM found)
  )
),
findings AS (
  SELECT
    scope_kind, scope, month,
    count(DISTINCT CASE WHEN is_device = 0 THEN anomaly_id END) AS place_anomaly_count,
    count(DISTINCT CASE WHEN is_device = 1 THEN anomaly_id END) AS device_anomaly_count
  FROM found_by_scope
  GROUP BY scope_kind, scope, month
),
-- Field punches bound to no shift count for their person; they belong to no site's or org's shifts.
unbound AS (
  SELECT 'employee' AS scope_kind, p.employee_id AS scope, p.month, p.field_count - coalesce(l.field_count, 0) AS field_count
  FROM (
    SELECT employee_id, business_month AS month, count(*) AS field_count
    FROM punches
    WHERE origin = 'field' AND shift_id IS NULL
    GROUP BY employee_id, business_month
  ) AS p
  LEFT JOIN (
    SELECT f.employee_id, f.month, count(*) AS field_count
    FROM field_punches_after_seals AS f
    LEFT JOIN latest_people AS h ON h.employee_id = f.employee_id
    WHERE f.shift_id IS NULL
      AND (f.seal_org = '' OR f.seal_org = h.org OR starts_with(h.org, concat(f.seal_org, '/')))
    GROUP BY f.employee_id, f.month
  ) AS l ON l.employee_id = p.employee_id AND l.month = p.month
)
SELECT
  m.scope_kind, m.scope, m.month, m.site_org, m.people,
  m.due_days, m.attended_days,
  m.attended_days / nullif(m.due_days, 0.0) AS attendance_rate,
  CAST(m.worked_s AS DOUBLE) / nullif(60.0 * m.due_min, 0.0) AS attendance_rate_by_time,
  m.attended_days / nullif(m.due_legal_days, 0.0) AS attendance_rate_legal,
  m.attended_days / nullif(m.planned_days, 0.0) AS attendance_rate_planned,
  m.due_days - m.attended_days AS absent_days, m.late_as_absent_days,
  m.due_min, m.worked_s, m.worked_s / 60 AS worked_min,
  m.late_count, m.late_min, m.serious_late_count, m.early_count, m.early_min, m.missing_in, m.missing_out,
  m.leave_min, m.overtime_min, m.overtime_workday_min, m.overtime_rest_min, m.overtime_holiday_min, m.night_s,
  m.unresolved_shifts,
  m.field_count + coalesce(u.field_count, 0) AS field_count,
  coalesce(c.make_up_count, 0) AS make_up_count,
  m.statutory_holidays_worked,
  coalesce(a.place_anomaly_count, 0) AS place_anomaly_count,
  coalesce(a.device_anomaly_count, 0) AS device_anomaly_count
FROM months AS m
LEFT JOIN make_ups AS c ON c.scope_kind = m.scope_kind AND c.scope = m.scope AND c.month = m.month
LEFT JOIN findings AS a ON a.scope_kind = m.scope_kind AND a.scope = m.scope AND a.month = m.month
LEFT JOIN unbound AS u ON u.scope_kind = m.scope_kind AND u.scope = m.scope AND u.month = m.month
