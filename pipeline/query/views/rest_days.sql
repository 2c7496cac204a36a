-- Whether everybody had a day of rest in every period of so many days as the law says (seven in Hong Kong), week by week.
--
-- A day off is a business date on which nothing was worked. A run of days worked is followed over the ends of weeks: six
-- days worked, a week's end, and one more are seven. Only people whose org has such a law have rows; in Hong Kong it binds
-- under a continuous contract. Punches that belong to no shift are no days worked here; that the day off lasted 24 hours
-- is not looked at.
--
--   employee_id         the person
--   org                 the org they belong to
--   week_start          the first day of the week
--   days_worked         days of the week that were worked: a punch or correction is bound to a shift of them
--   days_unknown        days with a shift that is not final and to which nothing is bound yet
--   max_run             the longest run of days worked, up to a day of this week
--   run_from            the first day of the run, days that are unknown counted in
--   every_days          in every so many days the law gives a day of rest
--   rest_day            whether there was one in every such period that ends in this week: true, false, or unknown while
--                       the week is not over, a day is unknown and matters, or the run may have begun before the records
WITH weeks AS (
  SELECT w.employee_id, w.org, w.week_start, w.week_end, w.ended, CAST(l.value AS INT) AS every_days, p.joined, p.first_date
  FROM weekly_hours AS w
  JOIN law_by_org AS l
    ON l.org = w.org AND l.key = 'rest_day_every_days' AND l.valid_from <= w.week_start
    AND (l.valid_until IS NULL OR w.week_start < l.valid_until)
  JOIN people_at_work AS p ON p.employee_id = w.employee_id
),
runs AS (
  SELECT
    w.employee_id, w.week_start,
    sum(CASE WHEN d.is_sure THEN 1 ELSE 0 END) AS days_worked,
    sum(CASE WHEN d.is_sure THEN 0 ELSE 1 END) AS days_unknown,
    max(d.run) AS max_run,
    max(d.run_max) AS most,
    first_value(d.run_from ORDER BY d.run_max DESC, d.business_date) AS run_from,
    bool_or(d.run_from = w.first_date AND (w.joined IS NULL OR w.joined < w.first_date)) AS from_before
  FROM weeks AS w
  JOIN worked_days AS d
    ON d.employee_id = w.employee_id AND d.business_date >= w.week_start AND d.business_date <= w.week_end
  GROUP BY w.employee_id, w.week_start
)
SELECT
  w.employee_id, w.org, w.week_start,
  coalesce(r.days_worked, 0) AS days_worked,
  coalesce(r.days_unknown, 0) AS days_unknown,
  coalesce(r.max_run, 0) AS max_run,
  r.run_from, w.every_days,
  CASE WHEN r.max_run >= w.every_days THEN 'false'
    WHEN NOT w.ended OR r.most >= w.every_days OR r.from_before THEN 'unknown'
    ELSE 'true' END AS rest_day
FROM weeks AS w
LEFT JOIN runs AS r ON r.employee_id = w.employee_id AND r.week_start = w.week_start
