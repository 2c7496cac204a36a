-- The fixes of a site's people lie beside its fence: the fence was drawn in the wrong place, or the place is bad for GPS.
-- Operations look; the people are not named.
--
-- The middle (median) of twenty fixes or more of three people or more who were due at the site lies more than 50 m outside its
-- circle. Field work, simulated and unusable fixes are left out, and sites drawn as polygons.
--
-- kind: site_drift
-- subject: site
-- window: 7 days
-- every: 1 day
WITH fixes AS (
  SELECT d.site_id, d.employee_id, e.occurred_at, e.business_date, e.lon, e.lat
  FROM punches_by_site_due AS d
  JOIN punch_evidence AS e ON e.employee_id = d.employee_id AND e.event_id = d.event_id
  WHERE e.occurred_at > $since AND e.occurred_at <= $now
    AND d.site_id IS NOT NULL AND NOT ends_with(d.feed, ' field')
    AND e.lon IS NOT NULL AND e.lat IS NOT NULL AND NOT coalesce(e.mocked, false)
    AND coalesce(e.accuracy_m, 0) >= 0 AND coalesce(e.accuracy_m, 0) <= 500
),
middles AS (
  SELECT site_id, median(lon) AS lon, median(lat) AS lat, CAST(date_trunc('week', max(business_date)) AS DATE) AS business_date,
    min(occurred_at) AS first_at, max(occurred_at) AS last_at
  FROM fixes
  GROUP BY site_id
  HAVING count(*) >= 20 AND count(DISTINCT employee_id) >= 3
)
SELECT m.site_id, s.org, m.business_date, m.first_at, m.last_at
FROM middles AS m
JOIN latest_sites AS s ON s.site_id = m.site_id
WHERE ground_distance_m(s.lon, s.lat, m.lon, m.lat) > s.radius_m + 50
