-- What later facts change of sealed months, by person, sealed month and the month in which it is booked.
--
-- Added to a person's monthly_statistics of the sealed month, all of it gives what is known now. Minutes and counts are
-- differences and may be negative; shift_adjustments tells them line by line, and who approved what.
--
--   employee_id   whose
--   month         the sealed month
--   booked_month  the month in which it was decided, UTC
--   adjustments   how many later versions of shifts there are
--   due_min       minutes due, more or less
--   worked_s      seconds worked, more or less
--   late_min      late minutes, more or less
--   late_count    times late, more or less
--   early_min     minutes left early, more or less
--   leave_min     minutes of leave, more or less
--   overtime_min  minutes of overtime, more or less
--   missing_in    missing ins, more or less
--   missing_out   missing outs, more or less
--   absent        shifts absent, more or less
SELECT
  employee_id, month, booked_month, count(*) AS adjustments,
  sum(due_min) AS due_min, sum(worked_s) AS worked_s, sum(late_min) AS late_min, sum(late_count) AS late_count,
  sum(early_min) AS early_min, sum(leave_min) AS leave_min, sum(overtime_min) AS overtime_min,
  sum(missing_in) AS missing_in, sum(missing_out) AS missing_out, sum(absent) AS absent
FROM shift_adjustments
GROUP BY employee_id, month, booked_month
