-- Derived from living.sql by scripts/derive-sql: change that one.
-- $1 log_id
/* Boots of a log that have not ended in order. */
SELECT
  source,
  first_minute,
  last_complete,
  last_written
FROM ledger_boots
WHERE
  log_id = $1 AND NOT ended
ORDER BY
  source NULLS FIRST;
