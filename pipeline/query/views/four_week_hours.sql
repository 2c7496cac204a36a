-- Hours of every person in every four weeks: those of a week and the three next before it.
--
--   employee_id     the person
--   org             the org they belong to
--   week_start      the first day of the fourth week
--   from_week       the first day of the first of the four weeks
--   weeks           how many of the four are on record: fewer than four before the person's fourth week in the lake
--   ended           whether the fourth week is over
--   worked_s        true seconds worked less unpaid breaks in the weeks on record, of the shifts whose hours are known
--   over_start_s    how much more it is if unpaid breaks of shifts over the start of the four weeks lay before it
--   over_end_s      how much less it is if unpaid breaks of shifts over the end of the four weeks lay before it
--   leave_min       minutes of leave within due time
--   unknown_shifts  shifts whose hours are not known
SELECT
  employee_id, org, week_start,
  CAST(CAST(week_start AS INT) - 21 AS DATE) AS from_week,
  count(*) OVER four AS weeks,
  ended,
  sum(worked_s) OVER four AS worked_s,
  -- A break inside takes from one week what it gives to the next: only both ends of the four weeks matter.
  first_value(over_start_s) OVER four AS over_start_s,
  over_end_s,
  sum(leave_min) OVER four AS leave_min,
  sum(unknown_shifts) OVER four AS unknown_shifts
FROM weekly_hours
WINDOW four AS (PARTITION BY employee_id ORDER BY week_start ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)
