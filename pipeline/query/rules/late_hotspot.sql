-- At a site, a third or more of those who come in one quarter of an hour are late, week after week: the flexible window, the
-- roster or the way in may need to change. Nobody is named.
--
-- Twenty comings or more in four weeks in one quarter of an hour of the site's wall clock. One alert per site and week;
-- `minutes` are the late minutes in its worst quarter. lateness_hotspots has them all.
--
-- kind: late_hotspot
-- subject: site
-- window: 28 days
-- every: 1 day
WITH results AS (
  SELECT *, row_number() OVER (PARTITION BY shift_id ORDER BY decided_at DESC, version DESC) AS newest
  FROM shift_results
  WHERE planned_start > $since AND planned_start <= $now AND decided_at <= $now
),
comings AS (
  SELECT r.site_id, s.org, r.first_in, r.business_date, r.late_min,
    to_char(date_bin(INTERVAL '15 minutes', wall_time(r.first_in, s.time_zone)), '%H:%M') AS bucket
  FROM results AS r
  JOIN latest_sites AS s ON s.site_id = r.site_id
  WHERE r.newest = 1 AND r.first_in IS NOT NULL AND r.status <> 'cancelled'
),
buckets AS (
  SELECT site_id, org, bucket, max(business_date) AS last_day, min(first_in) AS first_at, max(first_in) AS last_at,
    sum(late_min) AS late_min
  FROM comings
  GROUP BY site_id, org, bucket
  HAVING count(*) >= 20 AND sum(CASE WHEN late_min > 0 THEN 1 ELSE 0 END) * 3 >= count(*)
)
SELECT
  site_id, org, CAST(date_trunc('week', max(last_day)) AS DATE) AS business_date, max(late_min) AS minutes,
  min(first_at) AS first_at, max(last_at) AS last_at
FROM buckets
GROUP BY site_id, org
