-- Punches of field work that came after their month had been sealed: a sealed month does not count them.
--
--   employee_id  whose
--   shift_id     the shift it was bound to when it came, if any
--   month        the month of its business date
--   seal_org     the org for which that month is sealed
SELECT p.employee_id, p.shift_id, p.business_month AS month, s.org AS seal_org
FROM punches AS p
JOIN sealed_months AS s ON s.month = p.business_month
LEFT JOIN seals AS t
  ON t.month = s.month AND t.org = s.org AND t.generation = s.generation
  AND t.topic = p.topic AND t."partition" = p."partition"
WHERE p.origin = 'field' AND (t.next_offset IS NULL OR p."offset" >= t.next_offset)
