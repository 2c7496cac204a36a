-- The calendars in force by the newest snapshot of the reference data: a row for each weekday and for each day that differs.
--
-- Of the calendars that cover an org the one with the longest path decides every day: by the row of the date, else by that of
-- the weekday.
--
--   applies_to         the org path; empty = everywhere
--   date               a day that differs; null in the row of a weekday
--   weekday            1 = Monday; null in the row of a date
--   kind               workday, rest or holiday
--   statutory          whether the law gives it to everybody
--   status             official, or estimated: the authority has not published its list yet
--   reference_version  the snapshot
--   taken_at           when that snapshot was taken
SELECT applies_to, "date", weekday, kind, statutory, status, reference_version, taken_at
FROM (
  SELECT *, rank() OVER (ORDER BY taken_at DESC, reference_version DESC) AS newest
  FROM calendar_days
)
WHERE newest = 1
