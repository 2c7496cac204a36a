-- Every punch with the site where its person was due: that of the shift it was bound to, else the person's home site.
--
--   site_id        the site; null where nobody knows where the person belongs
--   month          the month of the business date
--   business_date  the day it counts for
--   employee_id    the person
--   event_id       the punch
--   place          inside, outside, uncertain or no_evidence
--   placed_at      the site where it was placed, if at one
--   distance_m     signed metres from its fix to the fence that its verdict tells it to
--   not_permitted  whether it was placed inside a site where the person may not punch
--   bssid_unknown  whether it saw access points and none that a site lists
--   contradicted   whether Wi-Fi said one thing and the fix another
--   clock_suspect  whether its device's clock is not believed
--   attempt_at     for a punch that was bound to a shift when it arrived: its instant; else null
--   attempt_of     for such a punch: the shift and the direction, for which several punches are attempts at one thing
--   feed           by what road it came: topic (`files` for replayed files) and origin
SELECT
  coalesce(r.site_id, h.home_site) AS site_id,
  p.business_month AS month, p.business_date, p.employee_id, p.event_id, p.place, p.site_id AS placed_at, p.distance_m,
  array_has(p.reasons, 'not_permitted_site') AS not_permitted,
  array_has(p.reasons, 'bssid_unknown') AS bssid_unknown,
  array_has(p.reasons, 'contradiction_wifi_gps') AS contradicted,
  array_has(p.reasons, 'clock_suspect') AS clock_suspect,
  CASE WHEN p.shift_id IS NOT NULL THEN p.occurred_at END AS attempt_at,
  CASE WHEN p.shift_id IS NOT NULL THEN concat(coalesce(p.direction, p.kind), ' ', p.shift_id) END AS attempt_of,
  concat(CASE WHEN starts_with(p.topic, 'file:') THEN 'files' ELSE p.topic END, ' ', p.origin) AS feed
FROM punches AS p
LEFT JOIN latest_shift_results AS r ON r.shift_id = p.shift_id
LEFT JOIN latest_people AS h ON h.employee_id = p.employee_id
