-- How well a site's fence and access points serve the people who are due there, per month.
--
-- A punch counts for the site where its person was due: that of the shift it was bound to, else the person's home site.
-- So a site whose fence is drawn in the wrong place shows a low success rate itself, wherever the punches were placed.
-- Fixes and scans are kept for a few days only; what is made of them is null or 0 where they are gone.
--
--   site_id                 the site
--   org                     its org
--   month                   the month of the business dates
--   punches                 punches of that site's people
--   inside_permitted        of these, placed inside a site where the person may punch
--   success_rate            inside_permitted / punches
--   first_attempts          first punches of a direction for a shift: a second one is another attempt at the same thing
--   first_attempt_success   share of these that were placed inside a site where the person may punch; null without any
--   corrected_shifts        shifts due here of that month that a correction (補卡) came to hold an end of
--   time_to_correction_min  of these, the median of the minutes from the planned end of the shift to the log clock when the
--                           correction came to count; null without any
--   outside                 punches placed outside every fence
--   uncertain               punches whose evidence could not tell
--   no_evidence             punches without usable evidence
--   not_permitted           punches placed inside a site where the person may not punch
--   unknown_access_points   different access points seen by punches that saw none that a site lists
--   unknown_ap_punches      those punches
--   fixes                   kept fixes of these punches
--   drift_m                 metres from the centre of the site's circle to the middle (median) of the kept fixes; null
--                           without fixes or for a polygon. Beyond the radius the fence is likely misplaced
--   drift_bearing_deg       in which direction, from the north to the east
--   shift_suspected         a shift that this site shares with others of a feed, where 10 kept fixes or more show it:
--                           `fixes gcj02` or `fixes bd09`, the feed tells that datum without the tag; `sites gcj02` or
--                           `sites bd09`, the site was drawn in it without the tag, or fixes are tagged with it wrongly;
--                           `constant`, one direction that no datum explains. Null: none, whatever the drift
--   shift_feed              that feed: topic (`files` for replayed files), origin and, where told, platform
--   shift_m                 metres from the centre of the site's circle to the middle of that feed's kept fixes
--   shift_bearing_deg       in which direction, from the north to the east
WITH counted AS (
  SELECT
    site_id, month,
    count(*) AS punches,
    sum(CASE WHEN place = 'inside' AND NOT not_permitted THEN 1 ELSE 0 END) AS inside_permitted,
    sum(CASE WHEN place = 'outside' THEN 1 ELSE 0 END) AS outside,
    sum(CASE WHEN place = 'uncertain' THEN 1 ELSE 0 END) AS uncertain,
    sum(CASE WHEN place = 'no_evidence' THEN 1 ELSE 0 END) AS no_evidence,
    sum(CASE WHEN place = 'inside' AND not_permitted THEN 1 ELSE 0 END) AS not_permitted,
    sum(CASE WHEN bssid_unknown THEN 1 ELSE 0 END) AS unknown_ap_punches
  FROM punches_by_site_due
  WHERE site_id IS NOT NULL
  GROUP BY site_id, month
),
-- The first of the attempts is inside, or it is not.
attempts AS (
  SELECT
    site_id, month, count(*) AS first_attempts,
    sum(CASE WHEN is_inside THEN 1 ELSE 0 END) AS first_inside
  FROM (
    SELECT
      site_id, month, attempt_of,
      first_value(place = 'inside' AND NOT not_permitted ORDER BY attempt_at, event_id) AS is_inside
    FROM punches_by_site_due
    WHERE attempt_of IS NOT NULL AND site_id IS NOT NULL
    GROUP BY site_id, month, attempt_of
  )
  GROUP BY site_id, month
),
corrected AS (
  SELECT site_id, month, count(*) AS corrected_shifts, median(waited_min) AS time_to_correction_min
  FROM (
    SELECT
      site_id, business_month AS month, shift_id,
      (date_part('epoch', min(decided_at)) - date_part('epoch', min(planned_end))) / 60.0 AS waited_min
    FROM shift_results
    WHERE array_length(correction_ids) > 0
    GROUP BY site_id, business_month, shift_id
  )
  GROUP BY site_id, month
),
unknown AS (
  SELECT site_id, month, count(DISTINCT bssid) AS unknown_access_points
  FROM (
    SELECT d.site_id, d.month, unnest(e.bssids) AS bssid
    FROM punches_by_site_due AS d
    JOIN punch_evidence AS e ON e.employee_id = d.employee_id AND e.event_id = d.event_id
    WHERE d.bssid_unknown AND array_length(e.bssids) > 0
  )
  GROUP BY site_id, month
),
fixes AS (
  SELECT d.site_id, d.month, count(*) AS fixes, median(e.lon) AS lon, median(e.lat) AS lat
  FROM punches_by_site_due AS d
  JOIN punch_evidence AS e ON e.employee_id = d.employee_id AND e.event_id = d.event_id
  WHERE e.lon IS NOT NULL AND e.lat IS NOT NULL
  GROUP BY d.site_id, d.month
),
suspected AS (
  SELECT
    f.site_id, f.month, f.feed, f.fixes,
    ground_distance_m(s.lon, s.lat, f.lon, f.lat) AS shift_m,
    ground_bearing_deg(s.lon, s.lat, f.lon, f.lat) AS shift_bearing_deg,
    shift_suspected(s.lon, s.lat, f.lon, f.lat, f.fixes) OVER (PARTITION BY f.month, f.feed) AS shift
  FROM fixes_by_feed AS f
  JOIN latest_sites AS s ON s.site_id = f.site_id
),
-- Of several feeds that show one, that with the most fixes.
shifted AS (
  SELECT site_id, month, feed, shift, shift_m, shift_bearing_deg
  FROM (
    SELECT *, row_number() OVER (PARTITION BY site_id, month ORDER BY fixes DESC, feed) AS place
    FROM suspected
    WHERE shift IS NOT NULL
  )
  WHERE place = 1
)
SELECT
  c.site_id, s.org, c.month, c.punches, c.inside_permitted,
  CAST(c.inside_permitted AS DOUBLE) / c.punches AS success_rate,
  coalesce(a.first_attempts, 0) AS first_attempts,
  CAST(a.first_inside AS DOUBLE) / a.first_attempts AS first_attempt_success,
  coalesce(k.corrected_shifts, 0) AS corrected_shifts,
  k.time_to_correction_min,
  c.outside, c.uncertain, c.no_evidence, c.not_permitted,
  coalesce(u.unknown_access_points, 0) AS unknown_access_points, c.unknown_ap_punches,
  coalesce(f.fixes, 0) AS fixes,
  ground_distance_m(s.lon, s.lat, f.lon, f.lat) AS drift_m,
  ground_bearing_deg(s.lon, s.lat, f.lon, f.lat) AS drift_bearing_deg,
  d.shift AS shift_suspected, d.feed AS shift_feed, d.shift_m, d.shift_bearing_deg
FROM counted AS c
LEFT JOIN latest_sites AS s ON s.site_id = c.site_id
LEFT JOIN attempts AS a ON a.site_id = c.site_id AND a.month = c.month
LEFT JOIN corrected AS k ON k.site_id = c.site_id AND k.month = c.month
LEFT JOIN unknown AS u ON u.site_id = c.site_id AND u.month = c.month
LEFT JOIN fixes AS f ON f.site_id = c.site_id AND f.month = c.month
LEFT JOIN shifted AS d ON d.site_id = c.site_id AND d.month = c.month
