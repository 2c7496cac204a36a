-- Every shift that holds, once for each scope it is counted in: its person, its site, and every org from its own up to
-- the root of the tree. A step: statistics are made of it, people read the views above it.
--
--   scope_kind          employee, site or org
--   scope               the employee_id, the site_id, or the org path (hk/kln/mong-kok counts in hk/kln/mong-kok,
--                       hk/kln and hk)
--   month               the month of the business date, 2026-11
--   shift_id            the shift
--   employee_id         whose
--   site_id             where it was due
--   org                 that site's org
--   business_date       the day it counts for
--   day_kind            workday, rest or holiday
--   status              what became of it
--   final               whether its window has closed and settled
--   planned             1 if the shift was to be worked: not cancelled
--   due                 1 if it was planned and anything of it was due: leave over the whole shift leaves nothing due
--   due_legal           the same, but leave that the law does not give (law_values, legal_leave.TYPE) leaves it due
--   attended            1 if it was due and not absent; a missing punch at one end is attended. 0.5 where the policy takes
--                       the time worked for half a day (half_day_under_min)
--   late_as_absent      1 if it is absent only for being too late
--   statutory_worked    1 if it was worked and counts for a holiday to which the law entitles everybody
--   due_min             minutes due; 0 for a cancelled shift
--   worked_s            true seconds worked; null while one end is missing
--   late_min            late minutes
--   early_min           minutes left early
--   missing_in          whether the in is missing
--   missing_out         whether the out is missing
--   leave_min           minutes of leave within the due time
--   overtime_min        minutes of overtime
--   night_s             of worked_s, seconds within the policy's night
--   field_count         punches made in the field that were bound to this shift when they arrived
WITH subtrees AS (
  SELECT org, array_to_string(array_slice(parts, 1, depth), '/') AS subtree
  FROM (
    SELECT org, parts, unnest(range(1, CAST(array_length(parts) AS BIGINT) + 1)) AS depth
    FROM (SELECT DISTINCT org, string_to_array(org, '/') AS parts FROM shift_results)
  )
),
field_punches AS (
  SELECT shift_id, employee_id, count(*) AS field_count
  FROM punches
  WHERE origin = 'field' AND shift_id IS NOT NULL
  GROUP BY shift_id, employee_id
),
late_field_punches AS (
  SELECT shift_id, employee_id, seal_org, count(*) AS field_count
  FROM field_punches_after_seals
  WHERE shift_id IS NOT NULL
  GROUP BY shift_id, employee_id, seal_org
),
-- Shifts wholly on leave of which some is of a type that the law of the place does not give.
personal_leave AS (
  SELECT DISTINCT l.shift_id, l.employee_id, l.version
  FROM (
    SELECT shift_id, employee_id, version, org, business_date, unnest(leave_ids) AS leave_id
    FROM shift_results
    WHERE due_min = 0 AND array_length(leave_ids) > 0
  ) AS l
  LEFT JOIN latest_leave AS t ON t.leave_id = l.leave_id
  LEFT JOIN law_by_org AS w
    ON w.org = l.org AND w.key = concat('legal_leave.', t.type) AND w.value = 1 AND w.valid_from <= l.business_date
    AND (w.valid_until IS NULL OR l.business_date < w.valid_until)
  WHERE w.key IS NULL
),
results AS (
  SELECT
    r.business_month AS month,
    r.shift_id, r.employee_id, r.site_id, r.org, r.business_date, r.day_kind, r.status, r.final,
    CASE WHEN r.status <> 'cancelled' THEN 1 ELSE 0 END AS planned,
    CASE WHEN r.status <> 'cancelled' AND (r.due_min > 0 OR r.status = 'absent') THEN 1 ELSE 0 END AS due,
    CASE WHEN r.status <> 'cancelled' AND (r.due_min > 0 OR r.status = 'absent' OR p.shift_id IS NOT NULL) THEN 1 ELSE 0 END
      AS due_legal,
    CASE WHEN r.status IN ('cancelled', 'absent') OR r.due_min <= 0 THEN 0.0
      WHEN array_has(r.reasons, 'half_day') THEN 0.5 ELSE 1.0 END AS attended,
    CASE WHEN r.status <> 'cancelled' AND array_has(r.reasons, 'late_as_absent') THEN 1 ELSE 0 END AS late_as_absent,
    CASE WHEN r.statutory_holiday AND (r.first_in IS NOT NULL OR r.last_out IS NOT NULL) THEN 1 ELSE 0 END
      AS statutory_worked,
    CASE WHEN r.status <> 'cancelled' THEN r.due_min ELSE 0 END AS due_min,
    r.worked_s, r.late_min, r.early_min, r.missing_in, r.missing_out, r.leave_min, r.overtime_min, r.night_s,
    coalesce(f.field_count, 0) - coalesce(l.field_count, 0) AS field_count
  FROM latest_shift_results AS r
  LEFT JOIN field_punches AS f ON f.shift_id = r.shift_id AND f.employee_id = r.employee_id
  LEFT JOIN late_field_punches AS l
    ON l.shift_id = r.shift_id AND l.employee_id = r.employee_id
    AND (l.seal_org = '' OR l.seal_org = r.org OR starts_with(r.org, concat(l.seal_org, '/')))
  LEFT JOIN personal_leave AS p
    ON p.shift_id = r.shift_id AND p.employee_id = r.employee_id AND p.version = r.version
)
SELECT 'employee' AS scope_kind, employee_id AS scope, * FROM results
UNION ALL
SELECT 'site' AS scope_kind, site_id AS scope, * FROM results
UNION ALL
SELECT 'org' AS scope_kind, s.subtree AS scope, r.* FROM results AS r JOIN subtrees AS s ON s.org = r.org
