-- A phone's fix was the same to the last digit, accuracy included, on five days or more of a week. For a reviewer to look at,
-- never proof.
--
-- Real fixes jitter by metres. Indoor positioning may snap to one point: where three people or more show the same point it is
-- the place and not a person, and nobody is named. Kiosks and tablets stand still and are left out.
-- Fixes are kept `location_days`: with fewer than seven, fewer days can be seen.
--
-- kind: frozen_fix
-- subject: employee
-- window: 7 days
-- every: 1 day
WITH fixes AS (
  SELECT p.employee_id, p.event_id, p.occurred_at, p.business_date, p.site_id, e.lon, e.lat, e.accuracy_m
  FROM punches AS p
  JOIN punch_evidence AS e ON e.employee_id = p.employee_id AND e.event_id = p.event_id
  WHERE p.occurred_at > $since AND p.occurred_at <= $now
    AND e.occurred_at > $since AND e.occurred_at <= $now
    AND p.origin = 'phone' AND e.lon IS NOT NULL AND e.lat IS NOT NULL AND e.accuracy_m IS NOT NULL
    AND NOT coalesce(array_has(p.reasons, 'clock_suspect'), false)
),
crowded AS (
  SELECT lon, lat FROM fixes GROUP BY lon, lat HAVING count(DISTINCT employee_id) >= 3
),
frozen AS (
  SELECT f.employee_id, f.lon, f.lat, f.accuracy_m
  FROM fixes AS f
  LEFT JOIN crowded AS c ON c.lon = f.lon AND c.lat = f.lat
  WHERE c.lon IS NULL
  GROUP BY f.employee_id, f.lon, f.lat, f.accuracy_m
  HAVING count(DISTINCT f.business_date) >= 5
)
SELECT
  f.employee_id, CAST(date_trunc('week', max(f.business_date)) AS DATE) AS business_date,
  array_agg(DISTINCT f.event_id) AS event_ids, min(f.occurred_at) AS first_at, max(f.occurred_at) AS last_at,
  max(f.site_id) AS site_id, coalesce(max(p.org), '') AS org
FROM fixes AS f
JOIN frozen AS z ON z.employee_id = f.employee_id AND z.lon = f.lon AND z.lat = f.lat AND z.accuracy_m = f.accuracy_m
LEFT JOIN latest_people AS p ON p.employee_id = f.employee_id
GROUP BY f.employee_id
