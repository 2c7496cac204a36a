-- What holds for every broken rule: the latest version of each anomaly_id, firing or resolved.
--
-- Older versions stay in anomalies as history. A suspicion (audience reviewer) is for a reviewer to look at and is
-- never proof of anything.
--
--   anomaly_id      its identity: one broken rule of one person (or site) on one shift (or day)
--   version         1 for the first; this is the highest
--   state           firing or resolved
--   kind            the broken rule: late, no_show, missing_out, …
--   severity        info, low, medium or high
--   audience        who may see it
--   employee_id     the person, if it is about one
--   site_id         the site
--   org             its org
--   business_date   the day it counts for
--   shift_id        the shift, if it is about one
--   device_id       the device, if it is about one
--   event_ids       the punches that show it
--   minutes         how many minutes, for kinds that have minutes
--   first_at        when the first of it happened
--   last_at         when the last of it happened
--   detected_at     the log clock when this version was said
--   resolved_by     what resolved it
--   resolved_ref    the leave or the correction that did
--   review          what a reviewer decided: open, confirmed or dismissed. Evidence that came later opens it again
--   business_month  the month of the business date
WITH said AS (
  SELECT *,
    row_number() OVER (PARTITION BY anomaly_id ORDER BY version DESC, detected_at DESC) AS newest,
    max(CASE WHEN state = 'firing' THEN version END) OVER (PARTITION BY anomaly_id) AS last_fired
  FROM anomalies
),
decided AS (
  SELECT anomaly_id, version, review,
    row_number() OVER (PARTITION BY anomaly_id ORDER BY "number" DESC, reviewed_at DESC) AS newest
  FROM reviews
)
SELECT
  a.anomaly_id, a.version, a.state, a.kind, a.severity, a.audience, a.employee_id, a.site_id, a.org, a.business_date,
  a.shift_id, a.device_id, a.event_ids, a.minutes, a.first_at, a.last_at, a.detected_at, a.resolved_by,
  a.resolved_ref,
  CASE WHEN d.version >= a.last_fired THEN d.review ELSE a.review END AS review, a.business_month
FROM said AS a
LEFT JOIN decided AS d ON d.anomaly_id = a.anomaly_id AND d.newest = 1
WHERE a.newest = 1
