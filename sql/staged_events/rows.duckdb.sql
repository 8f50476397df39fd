-- Derived from rows.sql by scripts/derive-sql: change that one.
-- $1 run_id
/* The events that a replay puts in the place of others, each once, without copies. */
SELECT
  event_id,
  app_id,
  user_id,
  session_id,
  event_type,
  event_name,
  timestamp,
  event_date,
  event_hour,
  day_of_week,
  received_at,
  client_timestamp,
  parameters,
  extras,
  platform,
  app_version,
  country,
  region,
  city,
  device_category,
  device_tier,
  is_paying_user,
  days_since_install,
  level_id,
  moves_used,
  time_seconds,
  boosters_used,
  duration_sec,
  price_usd,
  transaction_id,
  counted,
  source_log,
  source_partition,
  source_offset
FROM staged_events AS staged
WHERE
  run = $1
  AND NOT EXISTS(
    SELECT
      1
    FROM staged_positions AS copy
    WHERE
      copy.run = $1
      AND copy.found = 'copy'
      AND copy.source_partition = staged.source_partition
      AND copy.source_offset = staged.source_offset
  )
QUALIFY
  ROW_NUMBER() OVER (PARTITION BY source_partition, source_offset ORDER BY received_at NULLS FIRST) = 1;
