-- Derived from share.sql by scripts/derive-sql: change that one.
-- $1 date
/* What is missing of a day, and of how many records; and whether that was ever counted. */
SELECT
  CAST(COALESCE(SUM(residue), 0) AS BIGINT) AS residue,
  CAST(COALESCE(SUM(CASE WHEN hop = 'log' THEN records ELSE 0 END), 0) AS BIGINT) AS records,
  COUNT(*) > 0 AS frozen
FROM ledger_days
WHERE
  received_date = $1;
