-- Derived from apps.sql by scripts/derive-sql: change that one.
-- $1 most
/* Apps that have ever sent something, when first and when last. */
SELECT
  app_id,
  MIN(minute) AS first_minute,
  MAX(minute) AS last_minute
FROM ledger
WHERE
  app_id <> ''
GROUP BY
  app_id
ORDER BY
  app_id NULLS FIRST
LIMIT $1;
