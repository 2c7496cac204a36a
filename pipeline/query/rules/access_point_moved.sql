-- An access point that a site lists is seen far from it: it was moved, or somebody carries a copy of its address. Operations
-- look: as long as it is listed, whoever stands beside it counts as being at the site.
--
-- Three people or more whom Wi-Fi placed at the site, and whose own fix lay more than 500 m (and its accuracy) outside the
-- site's fence, saw one and the same access point. One phone with a bad fix is nothing. How far a fix lies from a site drawn as
-- polygons is known of people who were due there.
--
-- kind: access_point_moved
-- subject: site
-- window: 7 days
-- every: 1 day
WITH far AS (
  SELECT p.site_id, s.org, p.employee_id, p.event_id, p.occurred_at, p.business_date, unnest(e.bssids) AS bssid
  FROM punches AS p
  JOIN punch_evidence AS e ON e.employee_id = p.employee_id AND e.event_id = p.event_id
  JOIN latest_sites AS s ON s.site_id = p.site_id
  LEFT JOIN punches_by_site_due AS d ON d.employee_id = p.employee_id AND d.event_id = p.event_id
  WHERE p.occurred_at > $since AND p.occurred_at <= $now
    AND e.occurred_at > $since AND e.occurred_at <= $now
    AND p.place = 'inside' AND array_has(p.evidence, 'wifi')
    AND e.lon IS NOT NULL AND e.lat IS NOT NULL AND NOT coalesce(e.mocked, false)
    AND coalesce(e.accuracy_m, 0) >= 0 AND coalesce(e.accuracy_m, 0) <= 500
    AND CASE
        WHEN s.radius_m IS NOT NULL THEN ground_distance_m(s.lon, s.lat, e.lon, e.lat) - s.radius_m
        WHEN d.site_id = p.site_id THEN p.distance_m
      END
      - CASE WHEN coalesce(e.accuracy_m, 0) = 0 THEN 100.0 ELSE e.accuracy_m END > 500
),
moved AS (
  SELECT site_id, bssid FROM far GROUP BY site_id, bssid HAVING count(DISTINCT employee_id) >= 3
)
SELECT
  f.site_id, f.org, CAST(date_trunc('week', max(f.business_date)) AS DATE) AS business_date,
  array_agg(DISTINCT f.event_id) AS event_ids, min(f.occurred_at) AS first_at, max(f.occurred_at) AS last_at
FROM far AS f
JOIN moved AS m ON m.site_id = f.site_id AND m.bssid = f.bssid
GROUP BY f.site_id, f.org
