-- How the fence of each site serves the people who are due there, since a day, and how far their fixes lie from it.
--
-- A punch counts for the site where its person was due: that of the shift it was bound to, else the person's home site.
-- Punches whose clock is not believed are left out. A fix counts if it is no worse than 100 m (one without a stated accuracy
-- is taken for 100 m), not simulated, not of field work, and its punch was not placed at another site (but by Wi-Fi that the
-- fix contradicts). One that lies more than 1,000 m from the fence was made somewhere else, and is counted apart. The n-th percentile is the smallest distance
-- that n of 100 fixes do not exceed. What fewer than three people's fixes say is not told: it would say where they are.
--
--   site_id           the site
--   org               its org
--   radius_m          its circle's radius in the newest snapshot; null for a polygon
--   tolerance_m       its own tolerance there; null = the policy's
--   lon               its circle's centre there: for comparison, not to be shown
--   lat               likewise
--   access_points     how many access points it lists there
--   punches           punches of its people
--   people            how many these are
--   inside_permitted  of the punches, placed inside a site where the person may punch
--   outside           placed outside every fence
--   uncertain         their evidence could not tell
--   no_evidence       without usable evidence
--   not_permitted     placed inside a site where the person may not punch
--   fixes             fixes that count, within 1,000 m of the fence
--   fix_people        whose these are
--   far_fixes         fixes that lie further away
--   p50_m             signed metres from the fence to the middle one of the fixes, negative inside
--   p95_m             the same for the 95th percentile
--   p98_m             the same for the 98th percentile
--   drift_m           metres from the circle's centre to the middle (median) of the fixes; null for a polygon
WITH due AS (
  SELECT * FROM punches_by_site_due WHERE site_id IS NOT NULL AND business_date >= $since AND NOT clock_suspect
),
counted AS (
  SELECT
    site_id, count(*) AS punches, count(DISTINCT employee_id) AS people,
    sum(CASE WHEN place = 'inside' AND NOT not_permitted THEN 1 ELSE 0 END) AS inside_permitted,
    sum(CASE WHEN place = 'outside' THEN 1 ELSE 0 END) AS outside,
    sum(CASE WHEN place = 'uncertain' THEN 1 ELSE 0 END) AS uncertain,
    sum(CASE WHEN place = 'no_evidence' THEN 1 ELSE 0 END) AS no_evidence,
    sum(CASE WHEN place = 'inside' AND not_permitted THEN 1 ELSE 0 END) AS not_permitted
  FROM due
  GROUP BY site_id
),
fixes AS (
  SELECT
    d.site_id, d.employee_id, e.lon, e.lat,
    CASE WHEN s.radius_m IS NOT NULL THEN ground_distance_m(s.lon, s.lat, e.lon, e.lat) - s.radius_m
      -- A verdict tells the distance to the fence of the shift's site.
      WHEN d.attempt_of IS NOT NULL THEN d.distance_m END AS metres
  FROM due AS d
  JOIN punch_evidence AS e ON e.employee_id = d.employee_id AND e.event_id = d.event_id
  JOIN latest_sites AS s ON s.site_id = d.site_id
  WHERE e.business_date >= $since AND e.lon IS NOT NULL AND e.lat IS NOT NULL AND NOT coalesce(e.mocked, false)
    AND coalesce(e.accuracy_m, 0) BETWEEN 0 AND 100 AND NOT ends_with(d.feed, ' field')
    AND NOT (d.place = 'inside' AND coalesce(d.placed_at, d.site_id) <> d.site_id AND NOT d.contradicted)
),
ranked AS (
  SELECT *,
    row_number() OVER (PARTITION BY site_id ORDER BY metres) AS nth,
    count(*) OVER (PARTITION BY site_id) AS fixes
  FROM fixes
  WHERE metres <= 1000
),
measured AS (
  SELECT
    site_id, max(fixes) AS fixes, count(DISTINCT employee_id) AS fix_people, count(DISTINCT employee_id) >= 3 AS is_told,
    max(CASE WHEN nth = (fixes * 50 + 99) / 100 THEN metres END) AS p50_m,
    max(CASE WHEN nth = (fixes * 95 + 99) / 100 THEN metres END) AS p95_m,
    max(CASE WHEN nth = (fixes * 98 + 99) / 100 THEN metres END) AS p98_m,
    median(lon) AS lon, median(lat) AS lat
  FROM ranked
  GROUP BY site_id
),
far AS (
  SELECT site_id, count(*) AS far_fixes FROM fixes WHERE metres > 1000 GROUP BY site_id
)
SELECT
  c.site_id, s.org, s.radius_m, s.tolerance_m, s.lon, s.lat, s.access_points,
  c.punches, c.people, c.inside_permitted, c.outside, c.uncertain, c.no_evidence, c.not_permitted,
  coalesce(m.fixes, 0) AS fixes, coalesce(m.fix_people, 0) AS fix_people, coalesce(f.far_fixes, 0) AS far_fixes,
  CASE WHEN m.is_told THEN m.p50_m END AS p50_m,
  CASE WHEN m.is_told THEN m.p95_m END AS p95_m,
  CASE WHEN m.is_told THEN m.p98_m END AS p98_m,
  CASE WHEN m.is_told THEN ground_distance_m(s.lon, s.lat, m.lon, m.lat) END AS drift_m
FROM counted AS c
LEFT JOIN latest_sites AS s ON s.site_id = c.site_id
LEFT JOIN measured AS m ON m.site_id = c.site_id
LEFT JOIN far AS f ON f.site_id = c.site_id
ORDER BY c.site_id
