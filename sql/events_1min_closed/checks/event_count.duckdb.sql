-- Derived from event_count.sql by scripts/derive-sql: change that one.
-- $1 date
/* fail */
/* Less than half or more than twice the events of a usual day: the median (nearest rank) of the */
/* last 7 closed days that had events. Until there are 7, event_count_so_far warns. */
WITH days AS (
  SELECT
    MAKE_DATE(CAST(EPOCH_US(window_start) // 86400000000 AS INT)) AS event_date,
    CAST(SUM(events) AS BIGINT) AS events
  FROM events_1min_closed
  WHERE
    window_start >= CAST(CAST($1 AS DATE) - 30 AS TIMESTAMPTZ)
    AND window_start < CAST(CAST($1 AS DATE) + 1 AS TIMESTAMPTZ)
  GROUP BY
    MAKE_DATE(CAST(EPOCH_US(window_start) // 86400000000 AS INT))
), before AS (
  SELECT
    events
  FROM days
  WHERE
    event_date < $1
  QUALIFY
    ROW_NUMBER() OVER (ORDER BY event_date DESC) <= 7
), ranked AS (
  SELECT
    events AS usual,
    ROW_NUMBER() OVER (ORDER BY events NULLS FIRST) AS place,
    COUNT(*) OVER () AS closed_days
  FROM before
), checked AS (
  SELECT
    CAST(COALESCE(SUM(events), 0) AS BIGINT) AS events
  FROM days
  WHERE
    event_date = $1
)
SELECT
  events,
  usual,
  closed_days
FROM checked
CROSS JOIN ranked
WHERE
  place * 2 BETWEEN closed_days AND closed_days + 1
  AND closed_days = 7
  AND (
    events * 2 < usual OR events > usual * 2
  );
