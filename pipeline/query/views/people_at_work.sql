-- Everybody who ever had a shift, with what reckoning by weeks needs to know of them. A step.
--
--   employee_id  the person
--   org          the org they belong to; of people who are not described, that of their last shift
--   joined       first day of employment, if told
--   left         last day of employment, if told
--   first_date   the first business date of theirs that is on record
--   first_day    the weekday on which a week begins where they work, 1 = Monday to 7 = Sunday; Sunday where no law says
SELECT e.employee_id, e.org, e.joined, e."left", e.first_date, coalesce(CAST(l.value AS INT), 7) AS first_day
FROM (
  SELECT r.employee_id, coalesce(p.org, r.org) AS org, p.joined, p."left", r.first_date
  FROM (
    SELECT employee_id, last_value(org ORDER BY business_date) AS org, min(business_date) AS first_date
    FROM shift_results
    GROUP BY employee_id
  ) AS r
  LEFT JOIN latest_people AS p ON p.employee_id = r.employee_id
) AS e
LEFT JOIN law_by_org AS l ON l.org = e.org AND l.key = 'week_first_day' AND l.valid_until IS NULL
