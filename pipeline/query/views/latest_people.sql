-- Every person who was ever known, under the pseudonym, as the newest snapshot that holds them describes them.
--
--   employee_id        the pseudonym
--   org                the org they belong to
--   home_site          the site they belong to
--   joined             first day of employment
--   left               last day of employment
--   overtime_rules     how overtime is counted on days without a shift, day:basis:least:most:before:after; none = it is not
--   reference_version  the snapshot this description is from
--   taken_at           when that snapshot was taken
SELECT employee_id, org, home_site, joined, "left", overtime_rules, reference_version, taken_at
FROM (
  SELECT *, row_number() OVER (PARTITION BY employee_id ORDER BY taken_at DESC, reference_version DESC) AS newest
  FROM people
)
WHERE newest = 1
