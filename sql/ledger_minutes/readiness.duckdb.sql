-- Derived from readiness.sql by scripts/derive-sql: change that one.
-- $1 date
/* Up to which minute the ledger is closed, and what is still open of a day and of those before it. */
SELECT
  (
    SELECT
      MAX(minute)
    FROM ledger
    WHERE
      hop = 'closed'
  ) AS closed_through,
  COUNT(*) AS open_minutes,
  MIN(minute) AS first_open
FROM ledger_minutes
WHERE
  state = 'open' AND minute < CAST(CAST($1 AS DATE) + 1 AS TIMESTAMPTZ);
