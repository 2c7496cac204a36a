-- The months that are closed, and for which orgs: what is learned of them later goes to the adjustments.
--
-- muster seal closes a month. The statistics of a closed month stay as they were; nothing opens it again.
--
--   month       the month
--   org         the org it is closed for, with everything below it; empty for all
--   sealed_at   where the log's clock stood
--   sealed_on   when it was closed, by the wall
--   sealed_by   who closed it, if that was told
--   unresolved  shifts that were open then: not final, or without a result
--   generation  tells one attempt to close it from another
SELECT month, org, sealed_at, sealed_on, sealed_by, unresolved, generation
FROM (
  SELECT *, row_number() OVER (PARTITION BY month, org ORDER BY generation DESC) AS newest
  FROM seals
)
WHERE newest = 1
