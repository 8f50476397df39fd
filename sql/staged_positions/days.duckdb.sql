-- Derived from days.sql by scripts/derive-sql: change that one.
-- $1 now, $2 run_id
/* The days that a replay changes: of the events that stood at its positions and of those put in their */
/* place, and those on which they, and the letters, were received. */
WITH days AS (
  SELECT
    event_date AS day
  FROM staged_positions
  WHERE
    run = $2 AND found = 'event'
  UNION
  SELECT
    received_date
  FROM staged_positions
  WHERE
    run = $2 AND found <> 'copy'
  UNION
  SELECT
    event_date
  FROM staged_events
  WHERE
    run = $2
  UNION
  SELECT
    MAKE_DATE(CAST(EPOCH_US(received_at) // 86400000000 AS INT))
  FROM staged_events
  WHERE
    run = $2
  UNION
  SELECT
    MAKE_DATE(CAST(EPOCH_US(received_at) // 86400000000 AS INT))
  FROM staged_events_dlq
  WHERE
    run = $2
)
SELECT
  day AS event_date,
  'replay' AS reason,
  CAST($1 AS TIMESTAMPTZ) AS touched_at
FROM days
ORDER BY
  event_date NULLS FIRST;
