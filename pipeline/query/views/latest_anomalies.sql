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
--   event_ids       the punches that show it
--   minutes         how many minutes, for kinds that have minutes
--   first_at        when the first of it happened
--   last_at         when the last of it happened
--   detected_at     the log clock when this version was said
--   resolved_by     what resolved it
--   resolved_ref    the leave or the correction that did
--   review          open, confirmed or dismissed
--   business_month  the month of the business date
SELECT
  anomaly_id, version, state, kind, severity, audience, employee_id, site_id, org, business_date, shift_id, event_ids,
  minutes, first_at, last_at, detected_at, resolved_by, resolved_ref, review, business_month
FROM (
  SELECT *, row_number() OVER (PARTITION BY anomaly_id ORDER BY version DESC, detected_at DESC) AS newest
  FROM anomalies
)
WHERE newest = 1
