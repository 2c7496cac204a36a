-- Hours of every person in every week, over all sites of the employer, from their first shift on record on: Hong Kong's
-- test for a continuous contract asks for them of everybody who works part time.
--
-- A week begins on the day that the law of the place names (law_values, week_first_day; Sunday in Hong Kong). Time belongs
-- to the week in which it was worked: of a night shift over its end the part before midnight. A week without any shift has
-- a row too. Punches that belong to no shift carry no hours. The last week is that of the newest shift result in the lake.
--
--   employee_id     the person
--   org             the org they belong to
--   week_start      the first day of the week
--   week_end        its last day
--   ended           whether the log's clock has passed its end by a day, so that no further shift of it can appear
--   shifts          shifts planned, in the week in which they begin
--   worked_s        true seconds worked less unpaid breaks, of the shifts whose hours are known; never rounded
--   over_start_s    how much more it is if unpaid breaks of shifts over the week's start lay before it, not after: 0 as a rule
--   over_end_s      how much less it is if unpaid breaks of shifts over the week's end lay before it, not after: 0 as a rule
--   leave_min       minutes of leave within due time
--   unknown_shifts  shifts whose hours are not known: not final, or one end is missing
WITH clock AS (
  SELECT max(business_date) AS newest, CAST(CAST(max(decided_at) AS DATE) AS INT) AS today FROM shift_results
),
begun AS (
  SELECT
    e.employee_id, e.org, e.first_day, c.today, CAST(e.first_date AS INT) AS first_date,
    least(CAST(c.newest AS INT), coalesce(CAST(e."left" AS INT), CAST(c.newest AS INT))) AS last_date
  FROM people_at_work AS e CROSS JOIN clock AS c
),
grid AS (
  SELECT
    employee_id, org, today,
    unnest(range(
      CAST(first_date - (first_date + 4 - first_day) % 7 AS BIGINT), CAST(greatest(first_date, last_date) AS BIGINT) + 1, 7
    )) AS week
  FROM begun
)
SELECT
  g.employee_id, g.org,
  CAST(CAST(g.week AS INT) AS DATE) AS week_start,
  CAST(CAST(g.week AS INT) + 6 AS DATE) AS week_end,
  g.today > g.week + 7 AS ended,
  coalesce(h.shifts, 0) AS shifts,
  coalesce(h.worked_s, 0) AS worked_s,
  coalesce(h.over_start_s, 0) AS over_start_s,
  coalesce(h.over_end_s, 0) AS over_end_s,
  coalesce(h.leave_min, 0) AS leave_min,
  coalesce(h.unknown_shifts, 0) AS unknown_shifts
FROM grid AS g
LEFT JOIN hours_by_week AS h ON h.employee_id = g.employee_id AND h.week = g.week
