-- Whether everybody's contract is continuous in the sense of Hong Kong's Employment Ordinance (468 rule), week by week:
-- employed for the four weeks that end with this one, each of them with the hours that the law asks of a week, or, for a
-- week with fewer, with the hours that it asks of that week and the three before it.
--
-- The hours come from law_values, for each week those of its first day: 18 a week until 2026-01-17; from 2026-01-18 on 17
-- a week, or 68 in four weeks. Weeks of one window are held to the values of their own first days. Hours of leave count
-- where the law says so. An answer is true, false or unknown: it is for the employer to prove that a contract is not
-- continuous, so nothing that is not known is taken for false. Only people whose org has such a law have rows. Statutory
-- holidays without a shift and punches that belong to no shift carry no hours: a false that they would change is for a clerk.
--
--   employee_id          the person
--   org                  the org they belong to
--   week_start           the first day of the week, the last of the four
--   counted_s            seconds that count in this week: worked, and on leave where the law counts it
--   week_hours           the hours that the law asks of this week
--   week_met             whether this week has them: true, false, or unknown while it is not over, a shift of it is not
--                        final or lacks an end, or a break over its end may decide
--   four_weeks_counted_s  seconds that count in this week and the three before it, as far as they are on record
--   four_weeks_hours     the hours that the law asks of four weeks; null where it knows no such test
--   four_weeks_met       whether they have them and the person was employed throughout: true, false or unknown
--   employed             whether the person was employed throughout the four weeks: unknown if no day of joining is told
--   continuous_contract  whether the contract is continuous: true, false or unknown
WITH counted AS (
  SELECT
    w.employee_id, w.org, w.week_start, CAST(w.week_start AS INT) AS week, p.joined,
    w.unknown_shifts > 0 OR NOT w.ended AS is_open,
    w.worked_s + CASE WHEN leave.value = 1 THEN 60 * w.leave_min ELSE 0 END AS counted_s,
    w.over_start_s, w.over_end_s,
    one.value AS week_hours, four.value AS four_weeks_hours
  FROM weekly_hours AS w
  JOIN law_by_org AS one
    ON one.org = w.org AND one.key = 'continuous_week_hours' AND one.valid_from <= w.week_start
    AND (one.valid_until IS NULL OR w.week_start < one.valid_until)
  LEFT JOIN law_by_org AS four
    ON four.org = w.org AND four.key = 'continuous_four_week_hours' AND four.valid_from <= w.week_start
    AND (four.valid_until IS NULL OR w.week_start < four.valid_until)
  LEFT JOIN law_by_org AS leave
    ON leave.org = w.org AND leave.key = 'continuous_counts_leave' AND leave.valid_from <= w.week_start
    AND (leave.valid_until IS NULL OR w.week_start < leave.valid_until)
  LEFT JOIN latest_people AS p ON p.employee_id = w.employee_id
),
summed AS (
  SELECT
    *,
    count(*) OVER four_weeks AS weeks,
    sum(counted_s) OVER four_weeks AS four_weeks_counted_s,
    first_value(over_start_s) OVER four_weeks AS four_weeks_over_start_s,
    sum(CASE WHEN is_open THEN 1 ELSE 0 END) OVER four_weeks AS open_weeks
  FROM counted
  WINDOW four_weeks AS (PARTITION BY employee_id ORDER BY week ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)
),
-- 2 is true, 1 unknown, 0 false: `and` is the least of them, `or` the greatest.
tested AS (
  SELECT
    *,
    CASE WHEN is_open THEN 1
      WHEN counted_s - over_end_s >= 3600 * week_hours THEN 2
      WHEN counted_s + over_start_s < 3600 * week_hours THEN 0
      ELSE 1 END AS week_met,
    CASE WHEN joined IS NULL THEN 1 WHEN CAST(joined AS INT) <= week - 21 THEN 2 ELSE 0 END AS employed,
    CASE WHEN four_weeks_hours IS NULL THEN 0
      WHEN open_weeks > 0 THEN 1
      WHEN four_weeks_counted_s - over_end_s >= 3600 * four_weeks_hours THEN 2
      WHEN weeks = 4 AND four_weeks_counted_s + four_weeks_over_start_s < 3600 * four_weeks_hours THEN 0
      ELSE 1 END AS four_weeks_reached
  FROM summed
),
met AS (
  SELECT *, least(four_weeks_reached, employed) AS four_weeks_met FROM tested
),
judged AS (
  SELECT
    *,
    least(
      employed,
      CASE WHEN weeks < 4 THEN 1 ELSE 2 END,
      min(greatest(week_met, four_weeks_met)) OVER (
        PARTITION BY employee_id ORDER BY week ROWS BETWEEN 3 PRECEDING AND CURRENT ROW
      )
    ) AS continuous
  FROM met
)
SELECT
  employee_id, org, week_start, counted_s, week_hours,
  CASE week_met WHEN 2 THEN 'true' WHEN 0 THEN 'false' ELSE 'unknown' END AS week_met,
  four_weeks_counted_s, four_weeks_hours,
  CASE WHEN four_weeks_hours IS NULL THEN NULL WHEN four_weeks_met = 2 THEN 'true' WHEN four_weeks_met = 0 THEN 'false'
    ELSE 'unknown' END AS four_weeks_met,
  CASE employed WHEN 2 THEN 'true' WHEN 0 THEN 'false' ELSE 'unknown' END AS employed,
  CASE continuous WHEN 2 THEN 'true' WHEN 0 THEN 'false' ELSE 'unknown' END AS continuous_contract
FROM judged
