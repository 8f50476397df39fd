-- The pairs of dates within 30 days under which an id stands, one of them the day. Of the two rows
-- the one with the lowest (received_at, source position) is counted.
WITH positions AS (
  SELECT
    app_id, event_id, event_date, received_at, source_log, source_partition, source_offset
  FROM events
  WHERE event_date BETWEEN CAST(@date AS DATE) - 30 AND CAST(@date AS DATE) + 30
),
-- Seldom any: everything after this is small.
repeated AS (
  SELECT app_id, event_id
  FROM positions
  WHERE event_date = @date
  INTERSECT DISTINCT
  SELECT app_id, event_id
  FROM positions
  WHERE event_date <> @date
),
firsts AS (
  SELECT positions.*
  FROM positions
  INNER JOIN repeated
    ON repeated.app_id = positions.app_id
    AND repeated.event_id = positions.event_id
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY positions.app_id, positions.event_id, positions.event_date
    ORDER BY received_at, source_log, source_partition, source_offset
  ) = 1
),
placed AS (
  SELECT
    app_id, event_id, event_date,
    ROW_NUMBER() OVER (
      PARTITION BY app_id, event_id
      ORDER BY received_at, source_log, source_partition, source_offset
    ) AS place
  FROM firsts
)
SELECT
  CAST(@date AS DATE) AS run_date,
  loser.app_id,
  loser.event_id,
  loser.event_date,
  kept.event_date AS kept_date
FROM placed AS loser
INNER JOIN placed AS kept
  ON kept.app_id = loser.app_id
  AND kept.event_id = loser.event_id
WHERE kept.place < loser.place
  AND (loser.event_date = @date OR kept.event_date = @date);
