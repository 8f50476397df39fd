-- Derived from event_type_drop.sql by scripts/derive-sql: change that one.
-- $1 date
/* warn */
/* A type of event with less than half of what is usual for it: the median (nearest rank) of the */
/* last 7 closed days, one without it counting 0. What usually comes less than 100 times a day is */
/* left alone: chance alone halves that. */
WITH counts AS (
  SELECT
    MAKE_DATE(CAST(EPOCH_US(window_start) // 86400000000 AS INT)) AS event_date,
    app_id,
    event_type,
    CAST(SUM(events) AS BIGINT) AS events
  FROM events_1min_closed
  WHERE
    window_start >= CAST(CAST($1 AS DATE) - 30 AS TIMESTAMPTZ)
    AND window_start < CAST(CAST($1 AS DATE) + 1 AS TIMESTAMPTZ)
  GROUP BY
    MAKE_DATE(CAST(EPOCH_US(window_start) // 86400000000 AS INT)),
    app_id,
    event_type
), before AS (
  SELECT
    event_date
  FROM counts
  WHERE
    event_date < $1
  GROUP BY
    event_date
  QUALIFY
    ROW_NUMBER() OVER (ORDER BY event_date DESC) <= 7
), types AS (
  SELECT DISTINCT
    app_id,
    event_type
  FROM counts
), ranked AS (
  SELECT
    types.app_id,
    types.event_type,
    COALESCE(events, 0) AS usual,
    ROW_NUMBER() OVER (
      PARTITION BY types.app_id, types.event_type
      ORDER BY COALESCE(events, 0) NULLS FIRST
    ) AS place
  FROM types
  CROSS JOIN before
  LEFT JOIN counts
    ON counts.event_date = before.event_date
    AND counts.app_id = types.app_id
    AND counts.event_type = types.event_type
)
SELECT
  ranked.app_id,
  ranked.event_type,
  COALESCE(events, 0) AS events,
  usual
FROM ranked
LEFT JOIN counts
  ON counts.event_date = $1
  AND counts.app_id = ranked.app_id
  AND counts.event_type = ranked.event_type
WHERE
  place = 4
  AND (
    SELECT
      COUNT(*)
    FROM before
  ) = 7
  AND usual >= 100
  AND COALESCE(events, 0) * 2 < usual;
