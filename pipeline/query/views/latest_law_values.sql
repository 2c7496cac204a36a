-- The legal values in force by the newest snapshot of the reference data: what Muster ships, and the chain's own rows.
--
-- A value holds from its day on until the next one of the same path and key. Of the paths that cover an org the longest
-- that has the key decides.
--
--   applies_to         the org path under which it holds; empty = everywhere
--   key                what it is: continuous_week_hours, minimum_wage_hourly, …
--   value              the value, in the unit of the key: hours, days, the place's currency; 1 = yes; of weekdays 1 = Monday
--   valid_from         the first day on which it holds
--   source             who says so
--   status             official, or estimated: not enacted yet
--   reference_version  the snapshot
--   taken_at           when that snapshot was taken
SELECT applies_to, key, value, valid_from, source, status, reference_version, taken_at
FROM (
  SELECT *, rank() OVER (ORDER BY taken_at DESC, reference_version DESC) AS newest
  FROM law_values
)
WHERE newest = 1
