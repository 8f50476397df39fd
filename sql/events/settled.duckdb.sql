-- Derived from settled.sql by scripts/derive-sql: change that one.
-- $1 first_day, $2 last_day, $3 log_id, $4 ranges
/* Which source positions of some ranges (PARTITION:FIRST:END, with commas between) the tables hold, */
/* as events of some days (days since 1970) or as letters, and by what an event's minute is counted. */
WITH ranges AS (
  SELECT
    CAST(STR_SPLIT(part, ':')[1] AS BIGINT) AS source_partition,
    CAST(STR_SPLIT(part, ':')[2] AS BIGINT) AS first_offset,
    CAST(STR_SPLIT(part, ':')[3] AS BIGINT) AS end_offset
  FROM UNNEST(STR_SPLIT($4, ',')) AS _t0(part)
)
SELECT
  ranges.source_partition,
  events.source_offset,
  TRUE AS event,
  MAKE_TIMESTAMPTZ(EPOCH_US(events.timestamp) // 60000000 * 60000000) AS window_start,
  events.app_id,
  events.event_type,
  events.level_id
FROM events
JOIN ranges
  ON ranges.source_partition = events.source_partition
WHERE
  events.event_date BETWEEN CAST('1970-01-01' AS DATE) + INTERVAL ($1) DAY AND CAST('1970-01-01' AS DATE) + INTERVAL ($2) DAY
  AND events.source_log = $3
  AND events.source_offset >= ranges.first_offset
  AND events.source_offset < ranges.end_offset
UNION ALL
SELECT
  ranges.source_partition,
  events_dlq.source_offset,
  FALSE,
  NULL,
  NULL,
  NULL,
  NULL
FROM events_dlq
JOIN ranges
  ON ranges.source_partition = events_dlq.source_partition
WHERE
  events_dlq.source_log = $3
  AND events_dlq.source_offset >= ranges.first_offset
  AND events_dlq.source_offset < ranges.end_offset
ORDER BY
  source_partition NULLS FIRST,
  source_offset NULLS FIRST;
