-- The rows that stand at source positions of some ranges (PARTITION:FIRST:END, with commas between), on
-- whatever day their events were.
WITH ranges AS (
  SELECT
    CAST(SPLIT(part, ':')[OFFSET(0)] AS INT64) AS source_partition,
    CAST(SPLIT(part, ':')[OFFSET(1)] AS INT64) AS first_offset,
    CAST(SPLIT(part, ':')[OFFSET(2)] AS INT64) AS end_offset
  FROM UNNEST(SPLIT(@ranges, ',')) AS part
)
SELECT
  events.source_partition, events.source_offset, 'event' AS found, events.counted,
  events.event_date, DATE(events.received_at) AS received_date,
  @run_id AS run, CAST(@began_at AS TIMESTAMP) AS staged_at
FROM events
JOIN ranges ON ranges.source_partition = events.source_partition
WHERE events.event_date >= '1970-01-01'
  AND events.source_log = @log_id
  AND events.source_offset >= ranges.first_offset AND events.source_offset < ranges.end_offset
UNION ALL
SELECT
  events_dlq.source_partition, events_dlq.source_offset, 'letter', FALSE,
  NULL, DATE(events_dlq.received_at),
  @run_id, CAST(@began_at AS TIMESTAMP)
FROM events_dlq
JOIN ranges ON ranges.source_partition = events_dlq.source_partition
WHERE events_dlq.source_log = @log_id
  AND events_dlq.source_offset >= ranges.first_offset
  AND events_dlq.source_offset < ranges.end_offset;
