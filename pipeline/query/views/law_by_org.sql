-- Which legal value holds for which org from when until when. A step.
--
--   org          the org of a site or a person
--   key          what it is
--   valid_from   the first day on which the value holds
--   valid_until  the first day on which it no longer does; null = open end
--   value        the value
SELECT org, key, valid_from, lead(valid_from) OVER (PARTITION BY org, key ORDER BY valid_from) AS valid_until, value
FROM (
  SELECT
    o.org, l.key, l.valid_from, l.value,
    rank() OVER (PARTITION BY o.org, l.key ORDER BY length(l.applies_to) DESC) AS place
  FROM (SELECT org FROM sites UNION SELECT org FROM people) AS o
  JOIN latest_law_values AS l
    ON l.applies_to = '' OR o.org = l.applies_to OR starts_with(o.org, concat(l.applies_to, '/'))
)
WHERE place = 1
