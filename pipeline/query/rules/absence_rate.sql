-- More than a tenth of ten or more who should have begun at a site in the last hours have not come.
--
-- Due are planned shifts that began up to four hours ago and at least half an hour ago; not come are those of which no_show or
-- absent fires at the instant. Who is on approved leave is not due. While an org's log is silent no-shows wait, and so does this.
--
-- kind: absence_rate
-- subject: site
-- window: 4 hours
-- every: 15 min
WITH shifts_now AS (
  SELECT *, row_number() OVER (PARTITION BY shift_id ORDER BY taken_at DESC, reference_version DESC) AS newest
  FROM shifts
  -- The days around the instant hold every row of a shift that was ever planned to begin then.
  WHERE business_date >= CAST($since AS DATE) - INTERVAL '2 days' AND business_date <= CAST($now AS DATE) + INTERVAL '2 days'
),
leave_now AS (
  SELECT *, row_number() OVER (PARTITION BY leave_id ORDER BY taken_at DESC, reference_version DESC) AS newest
  FROM leave
  WHERE "from" <= $now AND "to" > $since
),
on_leave AS (
  SELECT DISTINCT s.shift_id
  FROM shifts_now AS s
  JOIN leave_now AS l ON l.employee_id = s.employee_id AND l."from" <= s.planned_start AND l."to" > s.planned_start
  WHERE l.newest = 1 AND l.status = 'approved' AND l."type" NOT IN ('overtime', 'field')
    AND coalesce(l.effective_at, $since) <= $now
),
said AS (
  SELECT shift_id, kind, state,
    row_number() OVER (PARTITION BY anomaly_id ORDER BY version DESC, detected_at DESC) AS newest
  FROM anomalies
  WHERE kind IN ('no_show', 'absent') AND detected_at > $since AND detected_at <= $now
),
missing AS (
  SELECT DISTINCT shift_id FROM said WHERE newest = 1 AND state = 'firing'
),
due AS (
  SELECT s.site_id, s.business_date, s.shift_id, s.planned_start, m.shift_id IS NOT NULL AS is_missing
  FROM shifts_now AS s
  LEFT JOIN on_leave AS l ON l.shift_id = s.shift_id
  LEFT JOIN missing AS m ON m.shift_id = s.shift_id
  WHERE s.newest = 1 AND s.status = 'planned' AND s.kind <> 'free' AND l.shift_id IS NULL
    AND s.planned_start > $since AND s.planned_start <= $now - INTERVAL '30 minutes'
)
SELECT
  d.site_id, max(s.org) AS org, d.business_date, min(d.planned_start) AS first_at, max(d.planned_start) AS last_at
FROM due AS d
JOIN latest_sites AS s ON s.site_id = d.site_id
GROUP BY d.site_id, d.business_date
HAVING count(*) >= 10 AND sum(CASE WHEN d.is_missing THEN 1 ELSE 0 END) * 10 > count(*)
