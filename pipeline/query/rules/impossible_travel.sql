-- Two fixes of one person, one after the other, are farther apart than anybody travels in that time. For a reviewer to look
-- at, never proof: a wrong punch time, a shared login or a fix that jumped look the same.
--
-- The distance is less both accuracies, and at least 2 km: datums taken for each other and indoor drift stay below. The speed
-- is held against the fastest transport of the person's org (table `caps`: Hong Kong's airport line, else high-speed rail);
-- beyond 60 km high-speed rail is thought possible everywhere, beyond 300 km an aeroplane. Left out: simulated fixes and
-- suspect clocks (told of elsewhere), fixes without a usable accuracy, and punches whose place Wi-Fi, a beacon or a terminal
-- decided: those tell where the person was better than the fix does.
--
-- kind: impossible_travel
-- subject: employee
-- window: 2 days
-- every: 1 hour
WITH caps AS (
  SELECT column1 AS scope, column2 AS km_h FROM (VALUES ('', 350.0), ('hk', 160.0))
),
people AS (
  SELECT employee_id, org, km_h
  FROM (
    SELECT p.employee_id, p.org, c.km_h,
      row_number() OVER (PARTITION BY p.employee_id ORDER BY character_length(c.scope) DESC) AS place
    FROM latest_people AS p
    CROSS JOIN caps AS c
    WHERE c.scope = '' OR p.org = c.scope OR starts_with(p.org, concat(c.scope, '/'))
  )
  WHERE place = 1
),
fixes AS (
  SELECT p.employee_id, p.event_id, p.occurred_at, p.business_date, p.site_id, e.lon, e.lat,
    CASE WHEN coalesce(e.accuracy_m, 0) = 0 THEN 100.0 ELSE e.accuracy_m END AS accuracy_m
  FROM punches AS p
  JOIN punch_evidence AS e ON e.employee_id = p.employee_id AND e.event_id = p.event_id
  WHERE p.occurred_at > $since AND p.occurred_at <= $now
    AND e.occurred_at > $since AND e.occurred_at <= $now
    AND e.lon IS NOT NULL AND e.lat IS NOT NULL AND NOT coalesce(e.mocked, false)
    AND coalesce(e.accuracy_m, 0) >= 0 AND coalesce(e.accuracy_m, 0) <= 500
    AND NOT coalesce(array_has(p.reasons, 'clock_suspect'), false)
    AND NOT coalesce(array_has(p.evidence, 'wifi'), false)
    AND NOT coalesce(array_has(p.evidence, 'beacon'), false)
    AND NOT coalesce(array_has(p.evidence, 'terminal'), false)
),
pairs AS (
  SELECT *,
    lag(event_id) OVER (PARTITION BY employee_id ORDER BY occurred_at, event_id) AS event_before,
    lag(occurred_at) OVER (PARTITION BY employee_id ORDER BY occurred_at, event_id) AS before,
    lag(lon) OVER (PARTITION BY employee_id ORDER BY occurred_at, event_id) AS lon_before,
    lag(lat) OVER (PARTITION BY employee_id ORDER BY occurred_at, event_id) AS lat_before,
    lag(accuracy_m) OVER (PARTITION BY employee_id ORDER BY occurred_at, event_id) AS accuracy_before
  FROM fixes
),
trips AS (
  SELECT *,
    ground_distance_m(lon_before, lat_before, lon, lat) - accuracy_before - accuracy_m AS metres,
    date_part('epoch', occurred_at) - date_part('epoch', before) AS seconds
  FROM pairs
  WHERE before IS NOT NULL
),
impossible AS (
  SELECT t.*, p.org, unnest(make_array(t.event_before, t.event_id)) AS shown
  FROM trips AS t
  LEFT JOIN people AS p ON p.employee_id = t.employee_id
  WHERE t.metres >= 2000 AND t.seconds <= 43200
    -- A clock of minutes tells nothing below a minute.
    AND t.metres / greatest(t.seconds, 60) * 3.6 > CASE
      WHEN t.metres > 300000 THEN 1000
      WHEN t.metres > 60000 THEN greatest(coalesce(p.km_h, 350), 350)
      ELSE coalesce(p.km_h, 350) END
)
SELECT
  employee_id, business_date, array_agg(DISTINCT shown) AS event_ids,
  CAST(floor(min(seconds) / 60) AS BIGINT) AS minutes,
  min(before) AS first_at, max(occurred_at) AS last_at,
  max(site_id) AS site_id, coalesce(max(org), '') AS org
FROM impossible
GROUP BY employee_id, business_date
