-- Three people or more punched on one device within ten minutes, and it is no kiosk. For a reviewer to look at, never proof:
-- a dead battery, a family's phone and a store's own tablet look the same.
--
-- Only devices count that say they are phones. A store's tablet belongs on its site's list of `terminals`: those are left out,
-- as are kiosks and time clocks. A queue at shift change, everybody on a phone of their own, is nothing.
--
-- kind: shared_device
-- subject: device
-- window: 1 day
-- every: 1 hour
WITH listed AS (
  SELECT DISTINCT unnest(terminals) AS device_id FROM latest_sites
),
seen AS (
  SELECT p.device_id, p.employee_id, p.event_id, p.occurred_at, p.business_date, p.site_id
  FROM punches AS p
  LEFT JOIN listed AS l ON l.device_id = p.device_id
  WHERE p.occurred_at > $since AND p.occurred_at <= $now
    AND p.device_id IS NOT NULL AND l.device_id IS NULL
    AND p.origin IN ('phone', 'field')
    AND NOT coalesce(array_has(p.reasons, 'clock_suspect'), false)
),
begins AS (
  SELECT a.device_id, a.employee_id, a.event_id, a.occurred_at, a.business_date
  FROM seen AS a
  JOIN seen AS b ON b.device_id = a.device_id
    AND b.occurred_at >= a.occurred_at AND b.occurred_at <= a.occurred_at + INTERVAL '10 minutes'
  GROUP BY a.device_id, a.employee_id, a.event_id, a.occurred_at, a.business_date
  HAVING count(DISTINCT b.employee_id) >= 3
)
SELECT
  s.device_id, g.business_date, array_agg(DISTINCT s.event_id) AS event_ids,
  min(s.occurred_at) AS first_at, max(s.occurred_at) AS last_at,
  max(s.site_id) AS site_id, coalesce(max(l.org), '') AS org
FROM begins AS g
JOIN seen AS s ON s.device_id = g.device_id
  AND s.occurred_at >= g.occurred_at AND s.occurred_at <= g.occurred_at + INTERVAL '10 minutes'
LEFT JOIN latest_sites AS l ON l.site_id = s.site_id
GROUP BY s.device_id, g.business_date
