-- Derived from query.sql by scripts/derive-sql: change that one.
-- $1 date
/* Runs after cross_day_duplicates of the same day. The rows are those of events_unique, but only ids */
/* that stand more than once are ranked: ranking all of a day costs several times as much. */
WITH repeated AS (
  /* An id that another app has too makes this longer, and nothing else. */
  SELECT
    event_id
  FROM events
  WHERE
    event_date = $1
  GROUP BY
    event_id
  HAVING
    COUNT(*) > 1
  UNION
  SELECT
    event_id
  FROM cross_day_duplicates
  WHERE
    run_date = $1 AND event_date = $1
), ranked AS (
  SELECT
    events.*
  FROM events
  INNER JOIN repeated
    ON repeated.event_id = events.event_id
  LEFT JOIN cross_day_duplicates AS lost
    ON lost.run_date = $1
    AND lost.event_date = events.event_date
    AND lost.app_id = events.app_id
    AND lost.event_id = events.event_id
  WHERE
    events.event_date = $1 AND lost.event_id IS NULL
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY events.app_id, events.event_id, events.event_date
      ORDER BY received_at NULLS FIRST, source_log NULLS FIRST, source_partition NULLS FIRST, source_offset NULLS FIRST
    ) = 1
)
SELECT
  event_date,
  app_id,
  event_id,
  user_id,
  session_id,
  event_type,
  timestamp,
  received_at,
  platform,
  country,
  level_id,
  moves_used,
  time_seconds,
  boosters_used,
  duration_sec,
  price_usd,
  transaction_id
FROM (
  SELECT
    *
  FROM events
  WHERE
    event_date = $1 AND NOT event_id IN (
      SELECT
        event_id
      FROM repeated
    )
  UNION ALL
  SELECT
    *
  FROM ranked
);
