-- People who punched in a month in which nothing was ever planned for them: their hours are in no statistic.
--
--   employee_id  the person
--   org          the org they belong to; null if nobody described them
--   home_site    the site they belong to, if told
--   month        the month of the punches' business dates
--   punches      punches of theirs in it
--   days         business dates with a punch
--   first_at     the first of them
--   last_at      the last of them
SELECT
  p.employee_id, h.org, h.home_site, p.business_month AS month,
  count(*) AS punches,
  count(DISTINCT p.business_date) AS days,
  min(p.occurred_at) AS first_at,
  max(p.occurred_at) AS last_at
FROM punches AS p
LEFT JOIN (SELECT DISTINCT employee_id, business_month FROM shift_results) AS r
  ON r.employee_id = p.employee_id AND r.business_month = p.business_month
LEFT JOIN latest_people AS h ON h.employee_id = p.employee_id
WHERE r.employee_id IS NULL AND NOT array_has(p.reasons, 'clock_suspect')
GROUP BY p.employee_id, h.org, h.home_site, p.business_month
