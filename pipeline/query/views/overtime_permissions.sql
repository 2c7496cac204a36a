-- Approved overtime, a row for each permission, and whether it is that of a shift. A step.
--
-- A permission counts for the day on which it begins, on the wall clock of the person's home site. One that reaches into the
-- acceptance window of a shift is the shift's: what became of it is in shift_results.
--
--   leave_id        its id
--   employee_id     whose
--   org             the org of the person's home site, of the person without one
--   home_site       the person's home site
--   business_date   the day on which it begins
--   from            its first instant
--   to              the first instant after it
--   from_new        of what no earlier permission of the person for that day covers, the first instant; behind `to` if nothing
--   compensation    pay, time_off, or untold
--   is_rostered     whether it is a shift's
--   basis           overtime of the policy on that day for days without a shift: off, punched, approved or both
--   fewest          the fewest minutes that count
--   most            the most minutes that count; 0 = no end
WITH told AS (
  SELECT
    l.leave_id, l.employee_id, coalesce(s.org, p.org) AS org, p.home_site, l."from", l."to",
    coalesce(l.compensation, 'untold') AS compensation,
    CAST(wall_time(l."from", coalesce(s.time_zone, 'UTC')) AS DATE) AS business_date
  FROM latest_leave AS l
  JOIN latest_people AS p ON p.employee_id = l.employee_id
  LEFT JOIN latest_sites AS s ON s.site_id = p.home_site
  WHERE l.type = 'overtime' AND l.status = 'approved'
    AND (l.effective_at IS NULL OR l.effective_at <= (SELECT max(received_at) FROM punches))
),
ruled AS (
  SELECT
    t.*, coalesce(r.basis, 'off') AS basis, coalesce(r.fewest, 0) AS fewest, coalesce(r.most, 0) AS most,
    coalesce(r.before_min, 120) AS before_min, coalesce(r.after_min, 240) AS after_min
  FROM told AS t
  LEFT JOIN overtime_rules AS r
    ON r.employee_id = t.employee_id AND r.valid_from <= t.business_date
    AND (r.valid_until IS NULL OR t.business_date < r.valid_until)
),
near AS (
  SELECT DISTINCT r.leave_id
  FROM ruled AS r
  JOIN latest_shift_results AS s ON s.employee_id = r.employee_id
  WHERE s.status <> 'cancelled'
    AND date_part('epoch', r."from") < date_part('epoch', s.planned_end) + 60 * r.after_min
    AND date_part('epoch', s.planned_start) - 60 * r.before_min < date_part('epoch', r."to")
)
SELECT
  r.leave_id, r.employee_id, r.org, r.home_site, r.business_date, r."from", r."to",
  greatest(
    r."from",
    coalesce(
      max(r."to") OVER (
        PARTITION BY r.employee_id, r.business_date, n.leave_id IS NULL ORDER BY r."from", r.leave_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ),
      r."from"
    )
  ) AS from_new,
  r.compensation, n.leave_id IS NOT NULL AS is_rostered, r.basis, r.fewest, r.most
FROM ruled AS r
LEFT JOIN near AS n ON n.leave_id = r.leave_id
