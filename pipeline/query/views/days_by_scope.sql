-- One row per person and business date within each scope, over all segments of the day. A step.
--
-- A day counts in halves. Of the shifts planned for the day within the scope, all due is 1 day due, some due is half a
-- day; all of the due ones attended is the whole due day attended, some of them, or only half of one, is half a day. What is due and not attended is
-- absent, so that due = attended + absent always holds. A day with two segments, one of them absent: due 1,
-- attended 0.5, absent 0.5; one of them on leave and the other worked: due 0.5, attended 0.5, absent 0.
--
--   scope_kind              employee, site or org
--   scope                   which
--   month                   the month of the business date
--   employee_id             whose day
--   business_date           the day
--   site_org                the site's org for scope_kind site (a site may move within a month), else null
--   day_kind                workday, rest or holiday; where shifts of one day differ, holiday before rest before workday
--   planned_days            1 if any shift of the day was to be worked, on leave or not; else 0
--   due_days                0, 0.5 or 1
--   due_legal_days          due_days, and besides what is on leave that the law does not give; never less than due_days
--   attended_days           0, 0.5 or 1, never more than due_days
--   late_as_absent_days     the part of the day that is absent only for coming too late
--   statutory_worked        1 if the day was worked and is a holiday to which the law entitles everybody
--   due_min                 minutes due
--   worked_s                true seconds worked, of the shifts where both ends are known; null if of none
--   late_count              shifts begun late
--   late_min                late minutes
--   serious_late_count      of these, seriously late ones
--   early_count             shifts left early
--   early_min               minutes left early
--   missing_in              shifts whose in is missing
--   missing_out             shifts whose out is missing
--   leave_min               minutes of leave within the due time
--   overtime_min            minutes of overtime
--   overtime_workday_min    of these, on workdays
--   overtime_rest_min       of these, on days of rest
--   overtime_holiday_min    of these, on holidays
--   night_s                 of worked_s, seconds within the policies' nights
--   unresolved_shifts       shifts that are not final
--   field_count             punches made in the field
WITH summed AS (
  SELECT
    scope_kind, scope, month, employee_id, business_date,
    CASE WHEN scope_kind = 'site' THEN org END AS site_org,
    min(day_kind) AS day_kind,
    sum(planned) AS planned, sum(due) AS due, sum(due_legal) AS due_legal, sum(attended) AS attended,
    sum(late_as_absent) AS late_as_absent, max(statutory_worked) AS statutory_worked,
    sum(due_min) AS due_min,
    sum(worked_s) AS worked_s,
    sum(CASE WHEN late_min > 0 THEN 1 ELSE 0 END) AS late_count,
    sum(late_min) AS late_min,
    sum(CASE WHEN status = 'serious_late' THEN 1 ELSE 0 END) AS serious_late_count,
    sum(CASE WHEN early_min > 0 THEN 1 ELSE 0 END) AS early_count,
    sum(early_min) AS early_min,
    sum(CASE WHEN missing_in THEN 1 ELSE 0 END) AS missing_in,
    sum(CASE WHEN missing_out THEN 1 ELSE 0 END) AS missing_out,
    sum(leave_min) AS leave_min,
    sum(overtime_min) AS overtime_min,
    sum(CASE WHEN day_kind = 'workday' THEN overtime_min ELSE 0 END) AS overtime_workday_min,
    sum(CASE WHEN day_kind = 'rest' THEN overtime_min ELSE 0 END) AS overtime_rest_min,
    sum(CASE WHEN day_kind = 'holiday' THEN overtime_min ELSE 0 END) AS overtime_holiday_min,
    sum(night_s) AS night_s,
    sum(CASE WHEN final THEN 0 ELSE 1 END) AS unresolved_shifts,
    sum(field_count) AS field_count
  FROM results_by_scope
  GROUP BY scope_kind, scope, month, employee_id, business_date, CASE WHEN scope_kind = 'site' THEN org END
),
halved AS (
  SELECT *, CASE WHEN due = 0 THEN 0.0 WHEN due = planned THEN 1.0 ELSE 0.5 END AS due_days,
    CASE WHEN due_legal = 0 THEN 0.0 WHEN due_legal = planned THEN 1.0 ELSE 0.5 END AS due_legal_days
  FROM summed
)
SELECT
  scope_kind, scope, month, employee_id, business_date, site_org, day_kind,
  CASE WHEN planned > 0 THEN 1.0 ELSE 0.0 END AS planned_days, due_days, due_legal_days,
  CASE WHEN attended = 0 THEN 0.0 WHEN attended = due THEN due_days ELSE 0.5 END AS attended_days,
  CASE WHEN late_as_absent = 0 THEN 0.0 WHEN late_as_absent = due THEN due_days ELSE 0.5 END AS late_as_absent_days,
  statutory_worked,
  due_min, worked_s, late_count, late_min, serious_late_count, early_count, early_min, missing_in, missing_out,
  leave_min, overtime_min, overtime_workday_min, overtime_rest_min, overtime_holiday_min, night_s, unresolved_shifts,
  field_count
FROM halved
