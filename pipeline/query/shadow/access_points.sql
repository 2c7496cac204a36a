-- Access points that were seen at a site, since a day: by whose own fixes they stand there. Whether a site lists them, the lake
-- does not know.
--
-- A sighting counts if the punch was placed at the site and its fix lies in the site's fence, is no worse than 100 m and not
-- simulated. What fewer than three people saw is not told: it could be one person's own.
--
--   site_id      the site
--   bssid        the access point
--   people       how many people saw it there
--   punches      with how many punches
--   days         on how many business dates
--   share        these punches as a share of all that count and saw it anywhere
--   fence_m      signed metres from the fence to the middle one of their fixes, negative inside
--   spread_m     metres from the middle of their fixes within which 95 of 100 lie: an access point stays where it is
WITH seen AS (
  SELECT DISTINCT
    d.placed_at AS site_id, d.employee_id, d.event_id, d.business_date, e.lon, e.lat, unnest(e.bssids) AS bssid,
    CASE WHEN s.radius_m IS NOT NULL THEN ground_distance_m(s.lon, s.lat, e.lon, e.lat) - s.radius_m
      ELSE d.distance_m END AS metres
  FROM punches_by_site_due AS d
  JOIN punch_evidence AS e ON e.employee_id = d.employee_id AND e.event_id = d.event_id
  JOIN latest_sites AS s ON s.site_id = d.placed_at
  WHERE d.business_date >= $since AND e.business_date >= $since AND d.place = 'inside' AND NOT d.clock_suspect
    AND e.lon IS NOT NULL AND e.lat IS NOT NULL AND NOT coalesce(e.mocked, false)
    AND coalesce(e.accuracy_m, 0) BETWEEN 0 AND 100 AND array_length(e.bssids) > 0
),
grouped AS (
  SELECT
    site_id, bssid, count(DISTINCT employee_id) AS people, count(*) AS punches, count(DISTINCT business_date) AS days,
    median(metres) AS fence_m, median(lon) AS lon, median(lat) AS lat,
    CAST(count(*) AS DOUBLE) / sum(count(*)) OVER (PARTITION BY bssid) AS share
  FROM seen
  WHERE metres <= 0
  GROUP BY site_id, bssid
),
told AS (
  SELECT * FROM grouped WHERE people >= 3
),
around AS (
  SELECT
    t.site_id, t.bssid, ground_distance_m(t.lon, t.lat, s.lon, s.lat) AS metres, t.punches,
    row_number() OVER (
      PARTITION BY t.site_id, t.bssid ORDER BY ground_distance_m(t.lon, t.lat, s.lon, s.lat)
    ) AS nth
  FROM told AS t
  JOIN seen AS s ON s.site_id = t.site_id AND s.bssid = t.bssid
  WHERE s.metres <= 0
)
SELECT t.site_id, t.bssid, t.people, t.punches, t.days, t.share, t.fence_m, a.metres AS spread_m
FROM told AS t
JOIN around AS a ON a.site_id = t.site_id AND a.bssid = t.bssid AND a.nth = (a.punches * 95 + 99) / 100
ORDER BY t.site_id, t.people DESC, t.bssid
