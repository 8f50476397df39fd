-- Up to which minute every log that is in use is closed, and what is still open of a day and of those
-- before it.
SELECT
  (
    SELECT IF(COUNTIF(closed_through IS NULL) > 0, NULL, MIN(closed_through))
    FROM ledger_logs
    WHERE NOT silent
  ) AS closed_through,
  COUNT(*) AS open_minutes,
  MIN(minute) AS first_open
FROM ledger_minutes
WHERE state = 'open' AND minute < TIMESTAMP(CAST(@date AS DATE) + 1);
