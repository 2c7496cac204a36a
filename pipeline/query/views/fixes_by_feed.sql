-- Where the kept fixes of a site's people are in the middle, by month and by feed: what differs between feeds is what makes
-- their coordinates.
--
--   site_id  the site where these people were due
--   month    the month of the business dates
--   feed     topic (`files` for replayed files), origin and, where told, the phone's platform
--   fixes    kept fixes
--   lon      their median longitude, WGS-84 unless a tag is missing
--   lat      their median latitude, likewise
SELECT
  d.site_id, d.month, concat_ws(' ', d.feed, e.platform) AS feed,
  count(*) AS fixes, median(e.lon) AS lon, median(e.lat) AS lat
FROM punches_by_site_due AS d
JOIN punch_evidence AS e ON e.employee_id = d.employee_id AND e.event_id = d.event_id
WHERE d.site_id IS NOT NULL AND e.lon IS NOT NULL AND e.lat IS NOT NULL
GROUP BY d.site_id, d.month, concat_ws(' ', d.feed, e.platform)
