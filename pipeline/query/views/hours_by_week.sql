-- Worked time by person and week, from the shifts that hold: only weeks that have any. A step.
--
-- Time belongs to the week in which it was worked, by the site's wall clock: of a night shift over the end of a week the
-- part before midnight counts in the week that ends. On which side of midnight an unpaid break of such a shift lay is not
-- known: it is taken to lie after it, and by how much that may be wrong is told. On a night on which clocks change the cut
-- is by the wall clock.
--
--   employee_id     the person
--   week            the first day of the week, in days since 1970-01-01
--   shifts          shifts planned, in the week in which they begin
--   worked_s        true seconds worked less unpaid breaks
--   over_start_s    how much more it is if the breaks of shifts over the week's start lay before it
--   over_end_s      how much less it is if the breaks of shifts over the week's end lay before it
--   leave_min       minutes of leave within due time
--   unknown_shifts  shifts that are not final or lack one end: their hours are not known
WITH ends AS (
  SELECT
    r.employee_id, e.first_day, r.worked_s, r.leave_min,
    r.worked_s IS NULL OR NOT r.final AS is_unknown,
    CAST(date_part('epoch', r.last_out) - date_part('epoch', r.first_in) AS BIGINT) AS span_s,
    wall_time(CASE WHEN r.last_out IS NULL THEN r.planned_start ELSE coalesce(r.first_in, r.planned_start) END, s.time_zone) AS came,
    wall_time(CASE WHEN r.first_in IS NULL THEN r.planned_end ELSE coalesce(r.last_out, r.planned_end) END, s.time_zone) AS went,
    CAST(r.business_date AS INT) AS day
  FROM latest_shift_results AS r
  JOIN people_at_work AS e ON e.employee_id = r.employee_id
  LEFT JOIN latest_sites AS s ON s.site_id = r.site_id
  WHERE r.status <> 'cancelled'
),
days AS (
  SELECT
    *, coalesce(CAST(CAST(came AS DATE) AS INT), day) AS from_day,
    coalesce(CAST(CAST(went - INTERVAL '1 microsecond' AS DATE) AS INT), day) AS until_day
  FROM ends
),
weeks AS (
  SELECT
    *, from_day - (from_day + 4 - first_day) % 7 AS from_week,
    greatest(from_day, until_day) - (greatest(from_day, until_day) + 4 - first_day) % 7 AS until_week
  FROM days
),
cut AS (
  SELECT
    *, CAST(until_week AS BIGINT) * 86400 - CAST(date_part('epoch', came) AS BIGINT) AS before_s
  FROM weeks
),
parts AS (
  SELECT
    employee_id, from_week, until_week, worked_s, leave_min, is_unknown,
    -- least and greatest pass over nulls: hours that are not known are kept away from them.
    CASE WHEN from_week = until_week OR span_s IS NULL THEN worked_s
      ELSE least(worked_s, before_s) END AS before_most_s,
    CASE WHEN from_week = until_week OR span_s IS NULL THEN worked_s
      ELSE greatest(0, before_s - greatest(0, span_s - worked_s)) END AS before_least_s,
    unnest(CASE WHEN from_week = until_week THEN make_array(1) ELSE make_array(1, 2) END) AS part
  FROM cut
)
SELECT
  employee_id, CASE WHEN part = 1 THEN from_week ELSE until_week END AS week,
  sum(CASE WHEN part = 1 THEN 1 ELSE 0 END) AS shifts,
  coalesce(sum(CASE WHEN part = 1 THEN before_most_s ELSE worked_s - before_most_s END), 0) AS worked_s,
  coalesce(sum(CASE WHEN part = 2 THEN before_most_s - before_least_s ELSE 0 END), 0) AS over_start_s,
  coalesce(sum(CASE WHEN part = 1 THEN before_most_s - before_least_s ELSE 0 END), 0) AS over_end_s,
  sum(CASE WHEN part = 1 THEN leave_min ELSE 0 END) AS leave_min,
  sum(CASE WHEN is_unknown THEN 1 ELSE 0 END) AS unknown_shifts
FROM parts
GROUP BY employee_id, CASE WHEN part = 1 THEN from_week ELSE until_week END
