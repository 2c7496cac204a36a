-- What holds for every shift: the latest version of each shift_id, and no other.
--
-- A shift that went from one person to another has versions of each; those of whoever gave it away end with one that is
-- cancelled and says reassigned. What holds is the latest of whoever has it now.
--
-- A later fact (a late upload, an approved leave or correction) makes a new version; the older ones stay in
-- shift_results as history and must never be added up. Facts that come after a month is sealed go to the adjustments, not
-- into shift_results: of a sealed month this tells what held when it was sealed. A shift that has since gone to another
-- month has a row in each.
--
--   shift_id        the shift: one person's planned duty
--   version         1 for the first; this is the highest
--   final           whether its window has closed and settled; until then the rest may still change
--   employee_id     whose
--   site_id         where it was due
--   org             that site's org
--   business_date   the day it counts for, on the site's calendar; a night shift belongs to the day it begins
--   segment         its number within the day
--   day_kind        workday, rest or holiday
--   statutory_holiday  whether that holiday is one to which the law entitles everybody; null where the row was written
--                   before this was kept
--   planned_start   when it was planned to begin
--   planned_end     when it was planned to end
--   due_min         minutes due: planned time less unpaid breaks, less leave
--   first_in        the coming that holds: the first in, or an approved correction
--   last_out        the leaving that holds: the last out, or an approved correction
--   in_event_id     the punch of first_in; null where a correction holds it
--   out_event_id    the punch of last_out; null where a correction holds it
--   in_site_id      where the in was made
--   out_site_id     where the out was made
--   status          present, late, serious_late, absent, leave or cancelled
--   late_min        late minutes: in cut to the minute less the due start; 0 within grace
--   early_min       whole minutes from the out to the due end; 0 within grace
--   worked_s        true seconds between in and out less unpaid breaks; null while exactly one end is missing
--   worked_min      worked_s in whole minutes, rounded down
--   break_min       minutes of unpaid break taken off
--   break_auto      whether a planned break was taken off without a punch
--   leave_min       minutes of leave within the due time
--   overtime_min    minutes of overtime, as the policy counts them
--   night_s         of worked_s, seconds within the policy's night; 0 without one
--   missing_in      whether the in is missing
--   missing_out     whether the out is missing
--   reasons         late_as_absent, worked_on_leave, reassigned, rescheduled, …
--   leave_ids       the leave that counted
--   leave_minutes   the minutes of leave_min that go with each of them, in the same order; null where several counted and
--                   the row was written before this was kept
--   correction_ids  the corrections (補卡) that counted
--   approvals       who approved the leave and the corrections that counted, a JSON object each: request, level, by, at
--   decided_at      the log clock when this version was said
--   sealed          whether the month is closed, for its org
--   business_month  the month of the business date
SELECT
  shift_id, version, final, employee_id, site_id, org, business_date, segment, day_kind,
  statutory_holiday, planned_start, planned_end,
  due_min, first_in, last_out, in_event_id, out_event_id, in_site_id, out_site_id, status, late_min, early_min,
  worked_s, worked_min, break_min, break_auto, leave_min, overtime_min, coalesce(night_s, 0) AS night_s, missing_in, missing_out,
  reasons, leave_ids,
  CASE WHEN leave_minutes IS NULL AND array_length(leave_ids) = 1 THEN make_array(CAST(leave_min AS INT))
    ELSE leave_minutes END AS leave_minutes,
  correction_ids, approvals, decided_at, sealed OR seal IS NOT NULL AS sealed, business_month
FROM (
  -- One sort serves both steps: first the newest version of each person, then who of them has the shift.
  SELECT *,
    max(CASE WHEN NOT is_reassigned THEN decided_at END) OVER (PARTITION BY shift_id, seal) AS held_at,
    max(decided_at) OVER (PARTITION BY shift_id, seal) AS told_at
  FROM (
    SELECT r.*, s.seal, array_has(r.reasons, 'reassigned') AS is_reassigned,
      lag(r.employee_id) OVER (
        PARTITION BY r.shift_id, s.seal ORDER BY r.employee_id, r.version DESC, r.decided_at DESC
      ) AS above
    FROM shift_results AS r
    LEFT JOIN (SELECT month, org, concat(month, ' ', org) AS seal FROM sealed_months) AS s
      ON s.month = r.business_month AND (s.org = '' OR s.org = r.org OR starts_with(r.org, concat(s.org, '/')))
  )
  WHERE above IS NULL OR above <> employee_id
)
WHERE CASE WHEN held_at IS NULL THEN decided_at = told_at ELSE NOT is_reassigned AND decided_at = held_at END
