-- Derived from data_present.sql by scripts/derive-sql: change that one.
-- $1 date
/* fail */
/* The day has no event at all. */
SELECT
  COUNT(*) AS events
FROM day_rows
WHERE
  event_date = $1
HAVING
  COUNT(*) = 0;
