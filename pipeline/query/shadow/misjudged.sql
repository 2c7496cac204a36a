-- Access points by which Wi-Fi placed people at a site while their own accurate fixes lay somewhere else, since a day: the
-- access point was moved, or stands in the wrong site's list. Whether that site lists it, the lake does not know.
--
-- Only punches whose verdict says that Wi-Fi and the fix contradict each other, with a fix no worse than 100 m and not simulated.
-- What fewer than three people saw is not told. Where the fixes lie in no other site's circle and less than 500 m away, the
-- site's own fence is the likelier fault, and nothing is told either.
--
--   site_id      the site that Wi-Fi names
--   bssid        the access point
--   people       how many people were placed so
--   punches      with how many punches
--   fence_m      signed metres from that site's fence to the middle one of their fixes
--   fix_site_id  the site whose circle holds the middle of their fixes, the nearest of several; null if none does
WITH told AS (
  SELECT DISTINCT
    d.placed_at AS site_id, d.employee_id, d.event_id, e.lon, e.lat, unnest(e.bssids) AS bssid,
    CASE WHEN s.radius_m IS NOT NULL THEN ground_distance_m(s.lon, s.lat, e.lon, e.lat) - s.radius_m
      ELSE d.distance_m END AS metres
  FROM punches_by_site_due AS d
  JOIN punch_evidence AS e ON e.employee_id = d.employee_id AND e.event_id = d.event_id
  JOIN latest_sites AS s ON s.site_id = d.placed_at
  WHERE d.business_date >= $since AND e.business_date >= $since AND d.place = 'inside' AND d.contradicted
    AND NOT d.clock_suspect AND e.lon IS NOT NULL AND e.lat IS NOT NULL AND NOT coalesce(e.mocked, false)
    AND coalesce(e.accuracy_m, 0) BETWEEN 0 AND 100 AND array_length(e.bssids) > 0
),
grouped AS (
  SELECT
    site_id, bssid, count(DISTINCT employee_id) AS people, count(*) AS punches, median(metres) AS fence_m,
    median(lon) AS lon, median(lat) AS lat
  FROM told
  GROUP BY site_id, bssid
  HAVING count(DISTINCT employee_id) >= 3
),
holding AS (
  SELECT
    g.site_id, g.bssid, s.site_id AS fix_site_id,
    row_number() OVER (
      PARTITION BY g.site_id, g.bssid ORDER BY ground_distance_m(s.lon, s.lat, g.lon, g.lat), s.site_id
    ) AS nth
  FROM grouped AS g
  CROSS JOIN latest_sites AS s
  WHERE s.site_id <> g.site_id AND ground_distance_m(s.lon, s.lat, g.lon, g.lat) <= s.radius_m
)
SELECT g.site_id, g.bssid, g.people, g.punches, g.fence_m, h.fix_site_id
FROM grouped AS g
LEFT JOIN holding AS h ON h.site_id = g.site_id AND h.bssid = g.bssid AND h.nth = 1
WHERE h.fix_site_id IS NOT NULL OR g.fence_m > 500
ORDER BY g.site_id, g.people DESC, g.bssid
