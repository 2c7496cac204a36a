-- One row per person, site and business date, over all segments of that day at that site.
--
-- A clerk reads here why a month is as it is: each day with what was due, what was worked and what was missing. Only
-- the latest version of each shift counts; cancelled shifts are not due.
--
--   employee_id    whose day
--   site_id        where the shifts were due
--   org            that site's org
--   business_date  the day the shifts count for, on the site's calendar; a night shift belongs to the day it begins
--   day_kind       workday, rest or holiday
--   due_min        minutes due: planned time less unpaid breaks, less leave
--   worked_s       true seconds worked less unpaid breaks; null if no shift of the day has both ends known
--   late_min       late minutes, after grace; 0 within it
--   late_count     shifts begun late, seriously late ones included
--   early_min      minutes left early, after grace; 0 within it
--   early_count    shifts left early
--   missing_in     shifts whose in is missing; an absent shift misses both
--   missing_out    shifts whose out is missing; an absent shift misses both
--   absent         0, 0.5 or 1: the part of the day that was due and not attended; one of two segments is 0.5
--   leave_min      minutes of leave within the due time
--   overtime_min   minutes of overtime, as the policy counts them
SELECT
  employee_id, scope AS site_id, site_org AS org, business_date, day_kind,
  due_min, worked_s, late_min, late_count, early_min, early_count, missing_in, missing_out,
  due_days - attended_days AS absent,
  leave_min, overtime_min
FROM days_by_scope
WHERE scope_kind = 'site'
