-- Days worked in a row and rests between shifts, by person and month.
--
--   employee_id           the person
--   month                 the month of the business dates
--   worked_days           business dates with a shift to which a punch or correction is bound
--   max_consecutive_days  the longest run of such days up to a day of this month; it may have begun in the month before
--   run_until             the last day of that run within the month
--   shortest_rest_min     whole minutes between the going from one day's work and the coming to the next day's: the fewest,
--                         of the comings of this month; null where there are none with both instants known
SELECT
  employee_id, to_char(business_date, '%Y-%m') AS month,
  count(*) AS worked_days,
  max(run) AS max_consecutive_days,
  first_value(business_date ORDER BY run DESC, business_date DESC) AS run_until,
  min(CASE WHEN rest_s >= 0 THEN rest_s / 60 END) AS shortest_rest_min
FROM worked_days
WHERE is_sure
GROUP BY employee_id, to_char(business_date, '%Y-%m')
