-- What changed for shifts of sealed months: a line per later version, with what differs from the version before it.
--
-- A month that was sealed keeps its statistics. A late punch, a leave or a correction that was approved later, a changed
-- calendar or roster makes a new version of the shift's result; it goes to the table adjustments, and what it changes is
-- booked in the month in which it was decided. All lines of a shift add up to what holds now less what held when the month
-- was sealed. Minutes and counts here are differences and may be negative.
--
--   shift_id        the shift instance
--   version         the version that changed it
--   employee_id     whose
--   site_id         where the shift was due
--   org             the site's org
--   business_date   the day it counts for
--   month           the sealed month
--   booked_month    the month of decided_at, UTC
--   status_before   what had become of it; null where nothing had been said
--   status          what became of it
--   day_kind_before  what kind of day it was taken for
--   day_kind        what kind of day it is
--   due_min         minutes due, more or less
--   worked_s        seconds worked, more or less
--   late_min        late minutes, more or less
--   late_count      1, -1 or 0: late now, or no longer
--   early_min       minutes left early, more or less
--   leave_min       minutes of leave, more or less
--   overtime_min    minutes of overtime, more or less
--   missing_in      1, -1 or 0
--   missing_out     1, -1 or 0
--   absent          1, -1 or 0
--   reasons         reassigned, rescheduled, worked_on_leave, …
--   leave_ids       the leave that counts now
--   correction_ids  the corrections (補卡) that count now
--   approvals       who approved these, a JSON object each: request, level, by, at
--   decided_at      the log clock when this version was said
WITH versions AS (
  SELECT shift_id, employee_id, version, status, day_kind, due_min, worked_s, late_min, early_min, leave_min, overtime_min,
    missing_in, missing_out
  FROM adjustments
  UNION ALL
  SELECT r.shift_id, r.employee_id, r.version, r.status, r.day_kind, r.due_min, r.worked_s, r.late_min, r.early_min, r.leave_min,
    r.overtime_min, r.missing_in, r.missing_out
  FROM shift_results AS r
  JOIN (SELECT DISTINCT shift_id, employee_id FROM adjustments) AS a
    ON a.shift_id = r.shift_id AND a.employee_id = r.employee_id
)
SELECT
  a.shift_id, a.version, a.employee_id, a.site_id, a.org, a.business_date,
  a.business_month AS month, substr(CAST(a.decided_at AS VARCHAR), 1, 7) AS booked_month,
  b.status AS status_before, a.status, b.day_kind AS day_kind_before, a.day_kind,
  a.due_min - coalesce(b.due_min, 0) AS due_min,
  coalesce(a.worked_s, 0) - coalesce(b.worked_s, 0) AS worked_s,
  a.late_min - coalesce(b.late_min, 0) AS late_min,
  CAST(a.late_min > 0 AS INT) - CAST(coalesce(b.late_min, 0) > 0 AS INT) AS late_count,
  a.early_min - coalesce(b.early_min, 0) AS early_min,
  a.leave_min - coalesce(b.leave_min, 0) AS leave_min,
  a.overtime_min - coalesce(b.overtime_min, 0) AS overtime_min,
  CAST(a.missing_in AS INT) - CAST(coalesce(b.missing_in, false) AS INT) AS missing_in,
  CAST(a.missing_out AS INT) - CAST(coalesce(b.missing_out, false) AS INT) AS missing_out,
  CAST(a.status = 'absent' AS INT) - CAST(coalesce(b.status, '') = 'absent' AS INT) AS absent,
  a.reasons, a.leave_ids, a.correction_ids, a.approvals, a.decided_at
FROM adjustments AS a
LEFT JOIN versions AS b
  ON b.shift_id = a.shift_id AND b.employee_id = a.employee_id AND b.version = a.version - 1
