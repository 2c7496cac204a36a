-- A device's clock is off: it was reset, runs ahead, or is behind by the same time in every record. Operations mend it;
-- device_health has the figures.
--
-- `minutes` is by how much (the middle of receipt less punch, so that a clock ahead has fewer than none). Punches that were
-- merely sent late tell nothing: the times between punch and receipt then differ by more than an hour. The verdicts are those
-- of device_health, over the last seven days instead of a month.
--
-- kind: device_clock
-- subject: device
-- window: 7 days
-- every: 1 day
-- clock: append
WITH lags AS (
  SELECT device_id, site_id, received_at, date_part('epoch', received_at) - date_part('epoch', occurred_at) AS lag_s
  FROM punches
  WHERE device_id IS NOT NULL AND received_at > $since AND received_at <= $now
),
devices AS (
  SELECT device_id, max(site_id) AS site_id, min(received_at) AS first_at, max(received_at) AS last_at,
    count(*) AS punches, count(DISTINCT date_trunc('hour', received_at)) AS hours,
    min(lag_s) AS least_s, max(lag_s) AS most_s, median(lag_s) AS median_s,
    approx_percentile_cont(lag_s, 0.95) - approx_percentile_cont(lag_s, 0.05) AS spread_s
  FROM lags
  GROUP BY device_id
)
SELECT
  d.device_id, d.site_id, coalesce(s.org, '') AS org,
  CAST(date_trunc('week', d.last_at) AS DATE) AS business_date, d.first_at, d.last_at,
  CAST(floor(CASE WHEN d.most_s > 31536000 THEN d.most_s WHEN d.least_s < -600 THEN d.least_s ELSE d.median_s END / 60) AS BIGINT)
    AS minutes
FROM devices AS d
LEFT JOIN latest_sites AS s ON s.site_id = d.site_id
WHERE d.most_s > 31536000 OR d.least_s < -600
  OR (d.punches >= 5 AND d.hours >= 2 AND abs(d.median_s) > 600 AND d.spread_s <= 3600)
