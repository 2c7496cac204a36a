-- How well each device tells the time, per month of receipt: by how much its punches lie before their receipt.
--
-- A punch comes within seconds; a device that was offline sends many at once, whose lags differ by hours. A clock that is off
-- shows in lags that are long and alike. Receipt is the log's append time: of replayed files it is the punch's own time, and
-- nothing can be told.
--
--   device_id       the device
--   month           the month in which its punches were received
--   site_id         a site where it was used
--   punches         its punches
--   people          different people who punched on it
--   median_lag_s    the middle of receipt less punch, in seconds
--   p95_lag_s       what nineteen in twenty of these do not exceed, about
--   suspect         punches called clock_suspect
--   backward_steps  how often a punch received later lies more than an hour earlier
--   first_at        when its first punch was received
--   last_at         when its last punch was received
--   verdict         reset (a punch more than a year before its receipt), ahead (one more than ten minutes behind its receipt),
--                   drifting (five punches or more of several hours, half of them off by more than ten minutes and nearly all
--                   by the same time within an hour) or ok
WITH lags AS (
  SELECT device_id, to_char(received_at, '%Y-%m') AS month, site_id, employee_id, occurred_at, received_at,
    date_part('epoch', received_at) - date_part('epoch', occurred_at) AS lag_s,
    coalesce(array_has(reasons, 'clock_suspect'), false) AS is_suspect,
    lag(occurred_at) OVER (PARTITION BY device_id ORDER BY received_at, "partition", "offset") AS before
  FROM punches
  WHERE device_id IS NOT NULL
),
devices AS (
  SELECT device_id, month, max(site_id) AS site_id, count(*) AS punches, count(DISTINCT employee_id) AS people,
    median(lag_s) AS median_lag_s, approx_percentile_cont(lag_s, 0.95) AS p95_lag_s,
    approx_percentile_cont(lag_s, 0.05) AS p05_lag_s, min(lag_s) AS least_s, max(lag_s) AS most_s,
    sum(CASE WHEN is_suspect THEN 1 ELSE 0 END) AS suspect,
    sum(CASE WHEN occurred_at < before - INTERVAL '1 hour' THEN 1 ELSE 0 END) AS backward_steps,
    count(DISTINCT date_trunc('hour', received_at)) AS hours,
    min(received_at) AS first_at, max(received_at) AS last_at
  FROM lags
  GROUP BY device_id, month
)
SELECT
  device_id, month, site_id, punches, people, median_lag_s, p95_lag_s, suspect, backward_steps, first_at, last_at,
  CASE
    WHEN most_s > 31536000 THEN 'reset'
    WHEN least_s < -600 THEN 'ahead'
    WHEN punches >= 5 AND hours >= 2 AND abs(median_lag_s) > 600 AND p95_lag_s - p05_lag_s <= 3600 THEN 'drifting'
    ELSE 'ok'
  END AS verdict
FROM devices
