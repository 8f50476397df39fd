-- What a replay has found at source positions of some ranges (PARTITION:FIRST:END, with commas between).
WITH ranges AS (
  SELECT
    CAST(SPLIT(part, ':')[OFFSET(0)] AS INT64) AS source_partition,
    CAST(SPLIT(part, ':')[OFFSET(1)] AS INT64) AS first_offset,
    CAST(SPLIT(part, ':')[OFFSET(2)] AS INT64) AS end_offset
  FROM UNNEST(SPLIT(@ranges, ',')) AS part
)
SELECT
  ranges.source_partition, staged.source_offset,
  LOGICAL_OR(staged.found = 'event') AS event, LOGICAL_OR(staged.counted) AS counted
FROM staged_positions AS staged
JOIN ranges ON ranges.source_partition = staged.source_partition
WHERE staged.run = @run_id
  AND staged.source_offset >= ranges.first_offset AND staged.source_offset < ranges.end_offset
GROUP BY ranges.source_partition, staged.source_offset
ORDER BY source_partition, source_offset;
