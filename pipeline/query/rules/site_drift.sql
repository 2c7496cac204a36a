-- The fixes of a site's people lie beside its fence: the fence was drawn in the wrong place, or the place is bad for GPS.
-- Operations look; the people are not named.
--
-- The middle (median) of twenty fixes or more of three people or more who were due at the site lies more than 50 m outside its
-- circle. Of a site drawn as polygons: the middle of their distances to its fence is more than 50 m, and they lie together,
-- nearer to their middle than to the fence; fixes that are bad to all sides do not. Field work, simulated and unusable fixes
-- are left out.
--
-- kind: site_drift
-- subject: site
-- window: 7 days
-- every: 1 day
WITH fixes AS (
  SELECT d.site_id, d.employee_id, e.occurred_at, e.business_date, e.lon, e.lat, p.distance_m
  FROM punches_by_site_due AS d
  JOIN punch_evidence AS e ON e.employee_id = d.employee_id AND e.event_id = d.event_id
  JOIN punches AS p ON p.employee_id = d.employee_id AND p.event_id = d.event_id
  WHERE e.occurred_at > $since AND e.occurred_at <= $now
    AND p.occurred_at > $since AND p.occurred_at <= $now
    AND d.site_id IS NOT NULL AND NOT ends_with(d.feed, ' field')
    AND e.lon IS NOT NULL AND e.lat IS NOT NULL AND NOT coalesce(e.mocked, false)
    AND coalesce(e.accuracy_m, 0) >= 0 AND coalesce(e.accuracy_m, 0) <= 500
),
middles AS (
  SELECT site_id, median(lon) AS lon, median(lat) AS lat, median(distance_m) AS distance_m,
    CAST(date_trunc('week', max(business_date)) AS DATE) AS business_date,
    min(occurred_at) AS first_at, max(occurred_at) AS last_at
  FROM fixes
  GROUP BY site_id
  HAVING count(*) >= 20 AND count(DISTINCT employee_id) >= 3
),
spreads AS (
  SELECT f.site_id, median(ground_distance_m(m.lon, m.lat, f.lon, f.lat)) AS spread_m
  FROM fixes AS f
  JOIN middles AS m ON m.site_id = f.site_id
  GROUP BY f.site_id
)
SELECT m.site_id, s.org, m.business_date, m.first_at, m.last_at
FROM middles AS m
JOIN latest_sites AS s ON s.site_id = m.site_id
LEFT JOIN spreads AS p ON p.site_id = m.site_id
WHERE CASE
  WHEN s.radius_m IS NULL THEN m.distance_m > 50 AND p.spread_m < m.distance_m
  ELSE ground_distance_m(s.lon, s.lat, m.lon, m.lat) > s.radius_m + 50
END
