-- A person's overtime of a month by kind of day, in shifts and on days without one, and how permissions say it is made good.
--
-- In shifts it is that of monthly_statistics, held by a seal; on days without a shift that of unrostered_overtime, which is not.
--
--   employee_id             the person
--   month                   the month of the business dates
--   workday_min             minutes in shifts on workdays
--   rest_min                in shifts on days of rest
--   holiday_min             in shifts on holidays
--   unrostered_workday_min  on workdays without a shift
--   unrostered_rest_min     on days of rest without a shift
--   unrostered_holiday_min  on holidays without a shift
--   unrostered_pay_min      of the minutes without a shift, those that are paid
--   unrostered_time_off_min  of these, those given back as time off
--   unrostered_untold_min   of these, those of which no permission says
--   approved_pay_min        minutes approved for shifts, worked or not, that are to be paid
--   approved_time_off_min   minutes approved for shifts that are to be given back
--   approved_untold_min     minutes approved for shifts of which the permission does not say
WITH rostered AS (
  SELECT employee_id, month, overtime_workday_min, overtime_rest_min, overtime_holiday_min FROM monthly_statistics
),
unrostered AS (
  SELECT
    employee_id, month,
    sum(CASE WHEN day_kind = 'workday' THEN overtime_min ELSE 0 END) AS workday_min,
    sum(CASE WHEN day_kind = 'rest' THEN overtime_min ELSE 0 END) AS rest_min,
    sum(CASE WHEN day_kind = 'holiday' THEN overtime_min ELSE 0 END) AS holiday_min,
    sum(pay_min) AS pay_min, sum(time_off_min) AS time_off_min, sum(untold_min) AS untold_min
  FROM unrostered_overtime
  GROUP BY employee_id, month
),
approved AS (
  SELECT
    employee_id, month,
    sum(CASE WHEN compensation = 'pay' THEN minutes ELSE 0 END) AS pay_min,
    sum(CASE WHEN compensation = 'time_off' THEN minutes ELSE 0 END) AS time_off_min,
    sum(CASE WHEN compensation = 'untold' THEN minutes ELSE 0 END) AS untold_min
  FROM (
    SELECT
      employee_id, substr(CAST(business_date AS VARCHAR), 1, 7) AS month, compensation,
      CAST(floor(greatest(0, date_part('epoch', "to") - date_part('epoch', from_new)) / 60) AS BIGINT) AS minutes
    FROM overtime_permissions
    WHERE is_rostered
  )
  GROUP BY employee_id, month
),
months AS (
  SELECT employee_id, month FROM rostered
  UNION
  SELECT employee_id, month FROM unrostered
  UNION
  SELECT employee_id, month FROM approved
)
SELECT
  m.employee_id, m.month,
  coalesce(r.overtime_workday_min, 0) AS workday_min,
  coalesce(r.overtime_rest_min, 0) AS rest_min,
  coalesce(r.overtime_holiday_min, 0) AS holiday_min,
  coalesce(u.workday_min, 0) AS unrostered_workday_min,
  coalesce(u.rest_min, 0) AS unrostered_rest_min,
  coalesce(u.holiday_min, 0) AS unrostered_holiday_min,
  coalesce(u.pay_min, 0) AS unrostered_pay_min,
  coalesce(u.time_off_min, 0) AS unrostered_time_off_min,
  coalesce(u.untold_min, 0) AS unrostered_untold_min,
  coalesce(a.pay_min, 0) AS approved_pay_min,
  coalesce(a.time_off_min, 0) AS approved_time_off_min,
  coalesce(a.untold_min, 0) AS approved_untold_min
FROM months AS m
LEFT JOIN rostered AS r ON r.employee_id = m.employee_id AND r.month = m.month
LEFT JOIN unrostered AS u ON u.employee_id = m.employee_id AND u.month = m.month
LEFT JOIN approved AS a ON a.employee_id = m.employee_id AND a.month = m.month
