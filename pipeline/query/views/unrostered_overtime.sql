-- Overtime on days for which nothing was planned: by punches, by permission, and what the policy counts of it.
--
-- A day has a row if the person was there (an in and a later out bound to no shift) or had approved overtime that belongs to no
-- shift, and has no shift in shift_results that was not called off. Work counts for the day of its punches and a permission for
-- the day on which it begins, both on a wall clock; work past midnight is that of two days. Breaks are not taken off.
-- The figures are those of now: sealing a month does not hold them.
--
--   employee_id    the person
--   business_date  the day
--   month          its month
--   org            the org of the person's home site, of the person without one
--   home_site      the person's home site
--   day_kind       workday, rest or holiday, by the calendar of that org in the newest snapshot
--   first_in       the first in; null without one
--   last_out       the last out; null without one
--   basis          overtime of the policy: off, punched, approved or both
--   punched_min    whole minutes from the first in to the last out
--   approved_min   whole minutes approved, overlapping permissions counted once
--   both_min       whole minutes that were approved and lie between the first in and the last out
--   overtime_min   the figure of the basis; 0 where that is below the policy's least, and its most where that is above
--   pay_min        of overtime_min, what permissions say is paid
--   time_off_min   of overtime_min, what permissions say is given back as time off
--   untold_min     the rest of overtime_min
WITH planned AS (
  SELECT DISTINCT employee_id, business_date FROM latest_shift_results WHERE status <> 'cancelled'
),
punched AS (
  SELECT
    employee_id, business_date,
    min(CASE WHEN coalesce(direction, kind) IN ('in', 'auto') THEN occurred_at END) AS first_in,
    max(CASE WHEN coalesce(direction, kind) IN ('out', 'auto') THEN occurred_at END) AS last_out
  FROM punches
  WHERE shift_id IS NULL AND origin <> 'correction'
    AND NOT array_has(reasons, 'clock_suspect') AND NOT array_has(reasons, 'repunch')
  GROUP BY employee_id, business_date
),
present AS (
  SELECT * FROM punched WHERE first_in < last_out
),
days AS (
  SELECT employee_id, business_date FROM present
  UNION
  SELECT employee_id, business_date FROM overtime_permissions WHERE NOT is_rostered
),
of_people AS (
  SELECT
    d.employee_id, d.business_date, coalesce(s.org, p.org) AS org, p.home_site, w.first_in, w.last_out,
    coalesce(r.basis, 'off') AS basis, coalesce(r.fewest, 0) AS fewest, coalesce(r.most, 0) AS most
  FROM days AS d
  JOIN latest_people AS p ON p.employee_id = d.employee_id
  LEFT JOIN latest_sites AS s ON s.site_id = p.home_site
  LEFT JOIN present AS w ON w.employee_id = d.employee_id AND w.business_date = d.business_date
  LEFT JOIN planned AS n ON n.employee_id = d.employee_id AND n.business_date = d.business_date
  LEFT JOIN overtime_rules AS r
    ON r.employee_id = d.employee_id AND r.valid_from <= d.business_date
    AND (r.valid_until IS NULL OR d.business_date < r.valid_until)
  WHERE n.employee_id IS NULL
),
-- Of each permission what no earlier one covers, whole and clipped to the time at work; microseconds.
shares AS (
  SELECT
    o.employee_id, o.business_date, o.compensation,
    greatest(0, date_part('epoch', o."to") - date_part('epoch', o.from_new)) AS approved_s,
    CASE WHEN w.first_in IS NULL THEN 0 ELSE greatest(
      0, date_part('epoch', least(o."to", w.last_out)) - date_part('epoch', greatest(o.from_new, w.first_in))
    ) END AS both_s
  FROM overtime_permissions AS o
  LEFT JOIN present AS w ON w.employee_id = o.employee_id AND w.business_date = o.business_date
  WHERE NOT o.is_rostered
),
approved AS (
  SELECT
    employee_id, business_date, sum(approved_s) AS approved_s, sum(both_s) AS both_s,
    sum(CASE WHEN compensation = 'pay' THEN approved_s ELSE 0 END) AS approved_pay_s,
    sum(CASE WHEN compensation = 'pay' THEN both_s ELSE 0 END) AS both_pay_s,
    sum(CASE WHEN compensation = 'time_off' THEN approved_s ELSE 0 END) AS approved_off_s,
    sum(CASE WHEN compensation = 'time_off' THEN both_s ELSE 0 END) AS both_off_s
  FROM shares
  GROUP BY employee_id, business_date
),
minutes AS (
  SELECT
    d.*,
    CAST(floor(coalesce(date_part('epoch', d.last_out) - date_part('epoch', d.first_in), 0) / 60) AS BIGINT) AS punched_min,
    CAST(floor(coalesce(a.approved_s, 0) / 60) AS BIGINT) AS approved_min,
    CAST(floor(coalesce(a.both_s, 0) / 60) AS BIGINT) AS both_min,
    CAST(floor(coalesce(CASE WHEN d.basis = 'approved' THEN a.approved_pay_s ELSE a.both_pay_s END, 0) / 60) AS BIGINT) AS paid,
    CAST(floor(coalesce(CASE WHEN d.basis = 'approved' THEN a.approved_off_s ELSE a.both_off_s END, 0) / 60) AS BIGINT) AS given_back
  FROM of_people AS d
  LEFT JOIN approved AS a ON a.employee_id = d.employee_id AND a.business_date = d.business_date
),
based AS (
  SELECT *,
    CASE basis WHEN 'punched' THEN punched_min WHEN 'approved' THEN approved_min WHEN 'both' THEN both_min ELSE 0 END AS told_min
  FROM minutes
),
counted AS (
  SELECT *,
    CASE WHEN told_min < fewest THEN 0 WHEN most > 0 AND told_min > most THEN most ELSE told_min END AS overtime_min
  FROM based
),
-- The calendar of the longest path that covers the org decides every day.
calendars AS (
  SELECT o.org, c.applies_to, c."date", c.weekday, c.kind,
    rank() OVER (PARTITION BY o.org ORDER BY length(c.applies_to) DESC) AS place
  FROM (SELECT DISTINCT org FROM counted) AS o
  JOIN latest_calendar_days AS c
    ON c.applies_to = '' OR o.org = c.applies_to OR starts_with(o.org, concat(c.applies_to, '/'))
)
SELECT
  c.employee_id, c.business_date, substr(CAST(c.business_date AS VARCHAR), 1, 7) AS month, c.org, c.home_site,
  coalesce(k.kind, w.kind, 'workday') AS day_kind,
  c.first_in, c.last_out, c.basis, c.punched_min, c.approved_min, c.both_min, c.overtime_min,
  least(c.paid, c.overtime_min) AS pay_min,
  least(c.given_back, c.overtime_min - least(c.paid, c.overtime_min)) AS time_off_min,
  greatest(0, c.overtime_min - c.paid - c.given_back) AS untold_min
FROM counted AS c
LEFT JOIN calendars AS k ON k.org = c.org AND k.place = 1 AND k."date" = c.business_date
LEFT JOIN calendars AS w
  ON w.org = c.org AND w.place = 1
  AND w.weekday = (CAST(date_part('dow', c.business_date) AS BIGINT) + 6) % 7 + 1
