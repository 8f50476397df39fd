-- Through which minute each log is closed. silent: nothing of it was written in the half hour before
-- another log was closed last. It was replaced, so nobody closes what it left, and nobody waits for it;
-- a log whose processing stands still, and that no other takes the place of, is waited for. What a
-- replay reads of an archive is no sign of life.
CREATE OR REPLACE VIEW ledger_logs AS
SELECT
  log_id,
  closed_through,
  COALESCE(
    last_written < TIMESTAMP_SUB(MAX(last_closed) OVER (), INTERVAL 30 MINUTE), FALSE
  ) AS silent
FROM (
  SELECT
    log_id,
    MAX(IF(hop = 'closed', minute, NULL)) AS closed_through,
    MAX(IF(hop = 'closed', written_at, NULL)) AS last_closed,
    MAX(written_at) AS last_written
  FROM ledger
  WHERE hop <> 'replay'
  GROUP BY log_id
);
