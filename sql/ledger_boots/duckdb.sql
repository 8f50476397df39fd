-- Derived from definition.sql by scripts/derive-sql: change that one.
/* When each instance of ingest first wrote, which minutes it has written for good, and whether it */
/* ended in order. The same page sent twice is one page, so nothing here is counted. */
CREATE OR REPLACE VIEW ledger_boots AS
SELECT
  log_id,
  source,
  MIN(minute) AS first_minute,
  MAX(CASE WHEN complete THEN minute ELSE NULL END) AS last_complete,
  BOOL_OR(CAST(closing AS BOOLEAN)) AS ended,
  MAX(written_at) AS last_written
FROM ledger
WHERE
  hop = 'ingest'
GROUP BY
  log_id,
  source;
