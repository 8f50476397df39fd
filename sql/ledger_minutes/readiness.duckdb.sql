-- Derived from readiness.sql by scripts/derive-sql: change that one.
-- $1 date
/* Up to which minute every log that is in use is closed, and what is still open of a day and of those */
/* before it. */
SELECT
  (
    SELECT
      CASE
        WHEN COUNT(*) FILTER(WHERE
          closed_through IS NULL) > 0
        THEN NULL
        ELSE MIN(closed_through)
      END
    FROM ledger_logs
    WHERE
      NOT silent
  ) AS closed_through,
  COUNT(*) AS open_minutes,
  MIN(minute) AS first_open
FROM ledger_minutes
WHERE
  state = 'open' AND minute < CAST(CAST($1 AS DATE) + 1 AS TIMESTAMPTZ);
