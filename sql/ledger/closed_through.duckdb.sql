-- Derived from closed_through.sql by scripts/derive-sql: change that one.
-- $1 log_id
/* Up to which minute a log's minutes are closed; NULL where none is. */
SELECT
  MAX(minute) AS closed_through
FROM ledger
WHERE
  log_id = $1 AND hop = 'closed';
