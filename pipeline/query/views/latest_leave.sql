-- Every leave and permission that was ever known, as the newest snapshot that holds it describes it.
--
--   leave_id           its id
--   employee_id        whose
--   from               its first instant
--   to                 the first instant after it
--   type               annual, sick, …; overtime and field are permissions, not absences
--   status             pending, approved, rejected, withdrawn or revoked
--   effective_at       when the log's clock must stand for it to count; null = at once
--   compensation       how an overtime permission is made good: pay or time_off; null = not told
--   reference_version  the snapshot this description is from
--   taken_at           when that snapshot was taken
SELECT leave_id, employee_id, "from", "to", type, status, effective_at, compensation, reference_version, taken_at
FROM (
  SELECT *, row_number() OVER (PARTITION BY leave_id ORDER BY taken_at DESC, reference_version DESC) AS newest
  FROM leave
)
WHERE newest = 1
