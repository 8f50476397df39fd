-- Derived from rows.sql by scripts/derive-sql: change that one.
-- $1 run_id
/* The dead letters that a replay puts in the place of others, each once. */
SELECT
  letter,
  reason,
  detail,
  app_id,
  held,
  attempts,
  received_at,
  failed_at,
  function_version,
  record_key,
  raw,
  headers,
  source_log,
  source_partition,
  source_offset
FROM staged_events_dlq
WHERE
  run = $1
QUALIFY
  ROW_NUMBER() OVER (PARTITION BY source_partition, source_offset ORDER BY failed_at DESC) = 1;
