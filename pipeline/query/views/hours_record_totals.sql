-- Hours by person and wage period, as the minimum wage asks for them: 208 hours and 45 minutes are 208.75 hours. One row per
-- person and month of business dates, summed over all sites.
--
--   employee_id         the person
--   month               the wage period
--   worked_s            true seconds worked, of the shifts whose hours are known
--   worked              the same as hours, minutes and seconds: 208:45:00
--   hours               worked_s in hours, not rounded
--   break_auto_min      minutes of planned breaks taken off although nobody punched them: work, if the person stayed at the post
--   leave_min           minutes of leave within due time
--   unknown_shifts      shifts that are not final or lack one end: wait for 0 before paying
--   minimum_wage        hours times the hourly minimum wage in force on the day of each shift where it is; null if some day
--                       has none. In the place's currency; for comparison with the wage paid, which Muster does not know
--   hours_record_below  the monthly wage below which hours must be on record, as in force on the month's last day on record
SELECT
  employee_id, month, worked_s,
  concat(
    CAST(worked_s / 3600 AS TEXT), ':', lpad(CAST(worked_s / 60 % 60 AS TEXT), 2, '0'), ':',
    lpad(CAST(worked_s % 60 AS TEXT), 2, '0')
  ) AS worked,
  worked_s / 3600.0 AS hours,
  break_auto_min, leave_min, unknown_shifts,
  CASE WHEN unpriced = 0 THEN minimum_wage END AS minimum_wage,
  hours_record_below
FROM (
  SELECT
    r.employee_id, r.month,
    coalesce(sum(r.worked_s), 0) AS worked_s,
    sum(CASE WHEN r.break_auto THEN r.break_min ELSE 0 END) AS break_auto_min,
    sum(r.leave_min) AS leave_min,
    sum(CASE WHEN r.worked_s IS NULL OR NOT r.final THEN 1 ELSE 0 END) AS unknown_shifts,
    sum(CASE WHEN wage.value IS NULL THEN 1 ELSE 0 END) AS unpriced,
    sum(r.worked_s * wage.value) / 3600.0 AS minimum_wage,
    last_value(line.value ORDER BY r.business_date) AS hours_record_below
  FROM hours_record AS r
  LEFT JOIN law_by_org AS wage
    ON wage.org = r.org AND wage.key = 'minimum_wage_hourly' AND wage.valid_from <= r.business_date
    AND (wage.valid_until IS NULL OR r.business_date < wage.valid_until)
  LEFT JOIN law_by_org AS line
    ON line.org = r.org AND line.key = 'hours_record_below' AND line.valid_from <= r.business_date
    AND (line.valid_until IS NULL OR r.business_date < line.valid_until)
  GROUP BY r.employee_id, r.month
)
