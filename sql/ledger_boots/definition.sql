-- When each instance of ingest first wrote, which minutes it has written for good, and whether it
-- ended in order. The same page sent twice is one page, so nothing here is counted.
CREATE OR REPLACE VIEW ledger_boots AS
SELECT
  log_id,
  source,
  MIN(minute) AS first_minute,
  MAX(IF(complete, minute, NULL)) AS last_complete,
  LOGICAL_OR(closing) AS ended,
  MAX(written_at) AS last_written
FROM ledger
WHERE hop = 'ingest'
GROUP BY log_id, source;
