-- Which source positions of some ranges (PARTITION:FIRST:END, with commas between) the tables hold,
-- as events of some days (days since 1970) or as letters, and by what an event's minute is counted.
WITH ranges AS (
  SELECT
    CAST(SPLIT(part, ':')[OFFSET(0)] AS INT64) AS source_partition,
    CAST(SPLIT(part, ':')[OFFSET(1)] AS INT64) AS first_offset,
    CAST(SPLIT(part, ':')[OFFSET(2)] AS INT64) AS end_offset
  FROM UNNEST(SPLIT(@ranges, ',')) AS part
)
SELECT
  ranges.source_partition, events.source_offset, TRUE AS event,
  TIMESTAMP_TRUNC(events.timestamp, MINUTE) AS window_start, events.app_id, events.event_type,
  events.level_id
FROM events
JOIN ranges ON ranges.source_partition = events.source_partition
WHERE events.event_date BETWEEN DATE_FROM_UNIX_DATE(@first_day) AND DATE_FROM_UNIX_DATE(@last_day)
  AND events.source_log = @log_id
  AND events.source_offset >= ranges.first_offset AND events.source_offset < ranges.end_offset
UNION ALL
SELECT ranges.source_partition, events_dlq.source_offset, FALSE, NULL, NULL, NULL, NULL
FROM events_dlq
JOIN ranges ON ranges.source_partition = events_dlq.source_partition
WHERE events_dlq.source_log = @log_id
  AND events_dlq.source_offset >= ranges.first_offset
  AND events_dlq.source_offset < ranges.end_offset
ORDER BY source_partition, source_offset;
