-- What would have been said since a day, and to whom.
--
--   site_id   the site it is about, else the home site of the person; null if neither is known, or it is about an org
--   kind      the broken rule
--   audience  who would have been told
--   alerts    how many different alerts fired; what was resolved later is counted, too
SELECT coalesce(a.site_id, h.home_site) AS site_id, a.kind, a.audience, count(DISTINCT a.anomaly_id) AS alerts
FROM anomalies AS a
LEFT JOIN latest_people AS h ON h.employee_id = a.employee_id
WHERE a.state = 'firing' AND a.business_date >= $since
GROUP BY coalesce(a.site_id, h.home_site), a.kind, a.audience
ORDER BY site_id, alerts DESC, kind
