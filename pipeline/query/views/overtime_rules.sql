-- How overtime of a person counts on days without a shift, from when until when. A step.
--
--   employee_id  the person
--   valid_from   the first business date
--   valid_until  the first business date on which another rule holds; null = open end
--   basis        punched, approved, both or off
--   fewest       the fewest minutes that count
--   most         the most minutes that count; 0 = no end
--   before_min   how long before its start a shift takes punches, in minutes
--   after_min    how long after its end
SELECT
  employee_id, CAST(split_part(rule, ':', 1) AS DATE) AS valid_from,
  lead(CAST(split_part(rule, ':', 1) AS DATE)) OVER (
    PARTITION BY employee_id ORDER BY CAST(split_part(rule, ':', 1) AS DATE)
  ) AS valid_until,
  split_part(rule, ':', 2) AS basis,
  CAST(split_part(rule, ':', 3) AS BIGINT) AS fewest,
  CAST(split_part(rule, ':', 4) AS BIGINT) AS most,
  CAST(split_part(rule, ':', 5) AS BIGINT) AS before_min,
  CAST(split_part(rule, ':', 6) AS BIGINT) AS after_min
FROM (SELECT employee_id, unnest(overtime_rules) AS rule FROM latest_people WHERE array_length(overtime_rules) > 0)
