-- Every business date on which a person worked or may have worked, and how many days in a row that is. A step.
--
--   employee_id    the person
--   business_date  the day: a night shift belongs to the day it begins
--   is_sure        whether a punch or correction is bound to a shift of it; else a shift of it is not final
--   run            how many days in a row up to this one are sure; null where this one is not
--   run_max        how many in a row up to this one at most
--   rest_s         seconds between the last going of the day worked before it and its first coming; null if not known
--   run_from       the first day of the longer of them
WITH days AS (
  SELECT
    employee_id, CAST(business_date AS INT) AS day,
    bool_or(first_in IS NOT NULL OR last_out IS NOT NULL) AS is_sure,
    min(first_in) AS first_in,
    max(last_out) AS last_out,
    bool_or(first_in IS NULL AND last_out IS NOT NULL) AS lacks_in,
    bool_or(first_in IS NOT NULL AND last_out IS NULL) AS lacks_out
  FROM latest_shift_results
  WHERE status <> 'cancelled' AND (first_in IS NOT NULL OR last_out IS NOT NULL OR NOT final)
  GROUP BY employee_id, CAST(business_date AS INT)
),
islands AS (
  SELECT
    *,
    CASE WHEN NOT lacks_in THEN CAST(date_part('epoch', first_in) AS BIGINT) END - lag(
      CASE WHEN NOT lacks_out THEN CAST(date_part('epoch', last_out) AS BIGINT) END
    ) OVER (PARTITION BY employee_id ORDER BY day) AS rest_s,
    day - row_number() OVER (PARTITION BY employee_id ORDER BY day) AS island,
    day - sum(CASE WHEN is_sure THEN 1 ELSE 0 END) OVER (
      PARTITION BY employee_id ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS sure_island
  FROM days
)
SELECT
  employee_id, CAST(day AS DATE) AS business_date, is_sure,
  CASE WHEN is_sure THEN row_number() OVER (PARTITION BY employee_id, is_sure, sure_island ORDER BY day) END AS run,
  row_number() OVER (PARTITION BY employee_id, island ORDER BY day) AS run_max,
  rest_s,
  CAST(min(day) OVER (PARTITION BY employee_id, island) AS DATE) AS run_from
FROM islands
