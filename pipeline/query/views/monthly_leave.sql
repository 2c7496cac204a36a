-- Leave by person, month and type: how many days it touched, and its minutes within due time.
--
-- Only leave that counted has rows: approved, in force, over time that was due. Where several requests overlap, time is
-- counted once, for the one that comes first.
--
--   employee_id  the person
--   month        the month of the business dates
--   type         annual, sick, …; null where the request is not known any more
--   is_legal     whether the law of the site gives it (law_values, legal_leave.TYPE)
--   days         business dates, in halves: 1 where all planned shifts of the day were wholly on this leave, else 0.5
--   leave_min    minutes of it within due time; null where a row of before the minutes were kept by request is among them
--   shifts       shifts that it touched
WITH touched AS (
  SELECT
    employee_id, business_month AS month, business_date, org, shift_id, due_min,
    unnest(leave_ids) AS leave_id,
    unnest(coalesce(leave_minutes, make_array(CAST(NULL AS INT)))) AS leave_min,
    array_length(leave_ids) = coalesce(array_length(leave_minutes), 0) AS is_kept
  FROM latest_shift_results
  WHERE array_length(leave_ids) > 0 AND status <> 'cancelled'
),
typed AS (
  SELECT
    t.employee_id, t.month, t.business_date, t.shift_id, t.due_min, l.type, w.key IS NOT NULL AS is_legal,
    CASE WHEN t.is_kept THEN t.leave_min END AS leave_min
  FROM touched AS t
  LEFT JOIN latest_leave AS l ON l.leave_id = t.leave_id
  LEFT JOIN law_by_org AS w
    ON w.org = t.org AND w.key = concat('legal_leave.', l.type) AND w.value = 1 AND w.valid_from <= t.business_date
    AND (w.valid_until IS NULL OR t.business_date < w.valid_until)
),
planned AS (
  SELECT employee_id, business_date, count(*) AS planned
  FROM latest_shift_results
  WHERE status <> 'cancelled'
  GROUP BY employee_id, business_date
),
-- A shift with two requests of different types is wholly on neither.
shifts AS (
  SELECT
    employee_id, month, business_date, shift_id, type, is_legal, due_min = 0 AND min(kinds) = 1 AS is_whole,
    sum(leave_min) AS leave_min, bool_and(leave_min IS NOT NULL) AS is_known
  FROM (
    SELECT *, count(DISTINCT coalesce(type, '')) OVER (PARTITION BY employee_id, shift_id) AS kinds FROM typed
  )
  GROUP BY employee_id, month, business_date, shift_id, type, is_legal, due_min
),
days AS (
  SELECT
    s.employee_id, s.month, s.business_date, s.type, s.is_legal, count(*) AS shifts,
    CASE WHEN sum(CASE WHEN s.is_whole THEN 1 ELSE 0 END) = max(p.planned) THEN 1.0 ELSE 0.5 END AS days,
    sum(s.leave_min) AS leave_min, bool_and(s.is_known) AS is_known
  FROM shifts AS s
  JOIN planned AS p ON p.employee_id = s.employee_id AND p.business_date = s.business_date
  GROUP BY s.employee_id, s.month, s.business_date, s.type, s.is_legal
)
SELECT
  employee_id, month, type, is_legal, sum(days) AS days,
  CASE WHEN bool_and(is_known) THEN sum(leave_min) END AS leave_min,
  sum(shifts) AS shifts
FROM days
GROUP BY employee_id, month, type, is_legal
