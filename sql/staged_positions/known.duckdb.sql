-- Derived from known.sql by scripts/derive-sql: change that one.
-- $1 run_id, $2 ranges
/* What a replay has found at source positions of some ranges (PARTITION:FIRST:END, with commas between). */
WITH ranges AS (
  SELECT
    CAST(STR_SPLIT(part, ':')[1] AS BIGINT) AS source_partition,
    CAST(STR_SPLIT(part, ':')[2] AS BIGINT) AS first_offset,
    CAST(STR_SPLIT(part, ':')[3] AS BIGINT) AS end_offset
  FROM UNNEST(STR_SPLIT($2, ',')) AS _t0(part)
)
SELECT
  ranges.source_partition,
  staged.source_offset,
  BOOL_OR(CAST(staged.found = 'event' AS BOOLEAN)) AS event,
  BOOL_OR(CAST(staged.counted AS BOOLEAN)) AS counted
FROM staged_positions AS staged
JOIN ranges
  ON ranges.source_partition = staged.source_partition
WHERE
  staged.run = $1
  AND staged.source_offset >= ranges.first_offset
  AND staged.source_offset < ranges.end_offset
GROUP BY
  ranges.source_partition,
  staged.source_offset
ORDER BY
  source_partition NULLS FIRST,
  source_offset NULLS FIRST;
