-- Derived from standing.sql by scripts/derive-sql: change that one.
-- $1 run_id, $2 began_at, $3 log_id, $4 ranges
/* The rows that stand at source positions of some ranges (PARTITION:FIRST:END, with commas between), on */
/* whatever day their events were. */
WITH ranges AS (
  SELECT
    CAST(STR_SPLIT(part, ':')[1] AS BIGINT) AS source_partition,
    CAST(STR_SPLIT(part, ':')[2] AS BIGINT) AS first_offset,
    CAST(STR_SPLIT(part, ':')[3] AS BIGINT) AS end_offset
  FROM UNNEST(STR_SPLIT($4, ',')) AS _t0(part)
)
SELECT
  events.source_partition,
  events.source_offset,
  'event' AS found,
  events.counted,
  events.event_date,
  MAKE_DATE(CAST(EPOCH_US(events.received_at) // 86400000000 AS INT)) AS received_date,
  $1 AS run,
  CAST($2 AS TIMESTAMPTZ) AS staged_at
FROM events
JOIN ranges
  ON ranges.source_partition = events.source_partition
WHERE
  events.event_date >= '1970-01-01'
  AND events.source_log = $3
  AND events.source_offset >= ranges.first_offset
  AND events.source_offset < ranges.end_offset
UNION ALL
SELECT
  events_dlq.source_partition,
  events_dlq.source_offset,
  'letter',
  FALSE,
  NULL,
  MAKE_DATE(CAST(EPOCH_US(events_dlq.received_at) // 86400000000 AS INT)),
  $1,
  CAST($2 AS TIMESTAMPTZ)
FROM events_dlq
JOIN ranges
  ON ranges.source_partition = events_dlq.source_partition
WHERE
  events_dlq.source_log = $3
  AND events_dlq.source_offset >= ranges.first_offset
  AND events_dlq.source_offset < ranges.end_offset;
