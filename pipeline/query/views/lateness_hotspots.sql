-- Where and when people come late: comings per site, month and quarter of an hour of the site's wall clock.
--
-- A coming is the first in that holds for a shift, corrections included. It stands in the quarter it happened in: 09:15
-- holds 09:15:00 to 09:29:59. Cancelled shifts and shifts without an in are not counted.
--
--   site_id     the site where the shift was due
--   org         its org
--   month       the month of the business dates
--   bucket      the beginning of the quarter on the wall clock, 08:45; null if the site's zone is unknown
--   arrivals    comings in that quarter
--   late_count  of these, late ones
--   late_rate   late_count / arrivals
--   late_min    late minutes of these comings, summed
SELECT
  site_id, org, month, bucket,
  count(*) AS arrivals,
  sum(CASE WHEN late_min > 0 THEN 1 ELSE 0 END) AS late_count,
  CAST(sum(CASE WHEN late_min > 0 THEN 1 ELSE 0 END) AS DOUBLE) / count(*) AS late_rate,
  sum(late_min) AS late_min
FROM (
  SELECT
    r.site_id, r.org, r.business_month AS month, r.late_min,
    to_char(date_bin(INTERVAL '15 minutes', wall_time(r.first_in, s.time_zone)), '%H:%M') AS bucket
  FROM latest_shift_results AS r
  LEFT JOIN latest_sites AS s ON s.site_id = r.site_id
  WHERE r.first_in IS NOT NULL AND r.status <> 'cancelled'
)
GROUP BY site_id, org, month, bucket
