-- The record of hours worked that an employer must keep for whoever earns little (Hong Kong: Employment Ordinance, section
-- 49A, with the Minimum Wage Ordinance): one row per shift, with coming, leaving, breaks, hours and leave in one place.
--
-- Nothing is rounded: instants are to the second, and hours are worked_s. A planned break that was taken off although
-- nobody punched it is told (break_auto): if the person stayed at the post, it was work. The wage period is the month of the
-- business date. Time on the premises before a shift that nobody asked for is not work by itself: what counts as worked is
-- what lies between the in and the out that hold.
--
--   employee_id     the person
--   month           the wage period: the month of the business date
--   business_date   the day the shift counts for
--   site_id         where
--   org             that site's org
--   shift_id        the shift
--   came            the in that holds, on the site's wall clock with its offset from UTC: 2026-11-02T08:58:31+08:00
--   went            the out that holds, likewise
--   break_min       whole minutes of unpaid break taken off
--   break_auto      whether a planned break was taken off without a punch
--   worked_s        true seconds worked; null while exactly one end is missing
--   worked          the same as hours, minutes and seconds: 8:02:29
--   leave_min       minutes of leave within due time
--   day_kind        workday, rest or holiday
--   statutory_holiday  whether that holiday is one to which the law entitles everybody; null where it is not known
--   status          present, late, serious_late, absent or leave
--   correction_ids  the corrections (補卡) that hold an end
--   final           whether its window has closed and settled; until then the row may still change
WITH walls AS (
  SELECT r.*, wall_time(r.first_in, s.time_zone) AS came, wall_time(r.last_out, s.time_zone) AS went
  FROM latest_shift_results AS r
  LEFT JOIN latest_sites AS s ON s.site_id = r.site_id
  WHERE r.status <> 'cancelled'
),
offsets AS (
  SELECT
    *,
    CAST(date_part('epoch', came) AS BIGINT) - CAST(date_part('epoch', first_in) AS BIGINT) AS came_offset_s,
    CAST(date_part('epoch', went) AS BIGINT) - CAST(date_part('epoch', last_out) AS BIGINT) AS went_offset_s
  FROM walls
)
SELECT
  employee_id, business_month AS month, business_date, site_id, org, shift_id,
  CASE WHEN came IS NOT NULL THEN concat(
    to_char(came, '%Y-%m-%dT%H:%M:%S%.f'), CASE WHEN came_offset_s < 0 THEN '-' ELSE '+' END,
    lpad(CAST(abs(came_offset_s) / 3600 AS TEXT), 2, '0'), ':', lpad(CAST(abs(came_offset_s) / 60 % 60 AS TEXT), 2, '0')
  ) END AS came,
  CASE WHEN went IS NOT NULL THEN concat(
    to_char(went, '%Y-%m-%dT%H:%M:%S%.f'), CASE WHEN went_offset_s < 0 THEN '-' ELSE '+' END,
    lpad(CAST(abs(went_offset_s) / 3600 AS TEXT), 2, '0'), ':', lpad(CAST(abs(went_offset_s) / 60 % 60 AS TEXT), 2, '0')
  ) END AS went,
  break_min, break_auto, worked_s,
  CASE WHEN worked_s IS NOT NULL THEN concat(
    CAST(worked_s / 3600 AS TEXT), ':', lpad(CAST(worked_s / 60 % 60 AS TEXT), 2, '0'), ':',
    lpad(CAST(worked_s % 60 AS TEXT), 2, '0')
  ) END AS worked,
  leave_min, day_kind, statutory_holiday, status, correction_ids, final
FROM offsets
