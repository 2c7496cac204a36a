-- People who punched, since a day, and for whom nothing was planned since then.
--
--   site_id      the site where they belong; of people nobody described, one where they were placed
--   employee_id  the person
--   known        whether anybody described the person
--   punches      punches of theirs
--   days         business dates with a punch
SELECT
  coalesce(h.home_site, max(p.site_id)) AS site_id, p.employee_id, h.employee_id IS NOT NULL AS known,
  count(*) AS punches, count(DISTINCT p.business_date) AS days
FROM punches AS p
LEFT JOIN (
  SELECT DISTINCT employee_id FROM latest_shift_results WHERE business_date >= $since AND status <> 'cancelled'
) AS r ON r.employee_id = p.employee_id
LEFT JOIN latest_people AS h ON h.employee_id = p.employee_id
WHERE r.employee_id IS NULL AND p.business_date >= $since AND NOT array_has(p.reasons, 'clock_suspect')
GROUP BY p.employee_id, h.employee_id, h.home_site
ORDER BY site_id, p.employee_id
