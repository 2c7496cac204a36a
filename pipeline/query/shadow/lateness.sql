-- How late people came to their shifts, since a day, in steps of five late minutes.
--
--   site_id    the site where the shift was due
--   until_min  the step: 5 holds 1 to 5 late minutes, 10 holds 6 to 10; 0 = not late
--   comings    shifts begun so late
SELECT
  site_id, CASE WHEN late_min > 0 THEN (late_min + 4) / 5 * 5 ELSE 0 END AS until_min, count(*) AS comings
FROM latest_shift_results
WHERE first_in IS NOT NULL AND status <> 'cancelled' AND business_date >= $since
GROUP BY site_id, CASE WHEN late_min > 0 THEN (late_min + 4) / 5 * 5 ELSE 0 END
ORDER BY site_id, until_min
