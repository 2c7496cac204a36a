-- How often suspicions turn out to be nothing, per site, kind and month: for judging the rules, never people.
--
-- Counted is what is for a reviewer's eyes. Only what a reviewer has decided tells anything about a rule.
--
--   site_id              the site; null where none is told
--   kind                 the suspicion: mocked, contradiction, impossible_travel, shared_device or frozen_fix
--   month                the month of the business dates
--   fired                suspicions that were raised
--   confirmed            of these, confirmed by a reviewer
--   dismissed            of these, dismissed by a reviewer
--   open                 of these, not decided
--   false_positive_rate  dismissed / (confirmed + dismissed); null where nothing is decided
SELECT
  site_id, kind, business_month AS month,
  count(*) AS fired,
  sum(CASE WHEN review = 'confirmed' THEN 1 ELSE 0 END) AS confirmed,
  sum(CASE WHEN review = 'dismissed' THEN 1 ELSE 0 END) AS dismissed,
  sum(CASE WHEN review = 'open' THEN 1 ELSE 0 END) AS open,
  CAST(sum(CASE WHEN review = 'dismissed' THEN 1 ELSE 0 END) AS DOUBLE)
    / nullif(sum(CASE WHEN review IN ('confirmed', 'dismissed') THEN 1 ELSE 0 END), 0) AS false_positive_rate
FROM latest_anomalies
WHERE audience = 'reviewer'
GROUP BY site_id, kind, business_month
