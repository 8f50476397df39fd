-- Derived from definition.sql by scripts/derive-sql: change that one.
/* What one-minute counts add up from. Closed days are exact whatever came twice or late; open and stale */
/* days, and those whose run is being made anew, are exact within the deduplication window. Whoever wants */
/* fewer keys than events_1min has adds the parts up once, and whoever filters by the date reads no other */
/* partition. */
CREATE OR REPLACE VIEW events_1min_parts AS
WITH uncounted AS (
  /* Written where the platform owns the offsets: a source position may come more than once. */
  SELECT DISTINCT
    event_date,
    MAKE_TIMESTAMPTZ(EPOCH_US(timestamp) // 60000000 * 60000000) AS window_start,
    app_id,
    event_type,
    level_id,
    source_log,
    source_partition,
    source_offset
  FROM events
  WHERE
    event_date >= CAST('1970-01-01' AS DATE) AND NOT counted
), reread_days /* Days whose rows a run has read anew, and has not counted yet: their closed minutes are the last run's. */ AS (
  SELECT
    event_date
  FROM pipeline_runs
  WHERE
    state = 'done'
  GROUP BY
    event_date
  HAVING
    MAX(CASE WHEN step = 'day_rows' THEN started_at ELSE NULL END) > MAX(CASE WHEN step = 'events_1min_closed' THEN started_at ELSE NULL END)
), closed_days AS (
  SELECT DISTINCT
    MAKE_DATE(CAST(EPOCH_US(window_start) // 86400000000 AS INT)) AS event_date
  FROM events_1min_closed
  WHERE
    NOT MAKE_DATE(CAST(EPOCH_US(window_start) // 86400000000 AS INT)) IN (
      SELECT
        event_date
      FROM stale_days
    )
    AND NOT MAKE_DATE(CAST(EPOCH_US(window_start) // 86400000000 AS INT)) IN (
      SELECT
        event_date
      FROM reread_days
    )
)
SELECT
  MAKE_DATE(CAST(EPOCH_US(window_start) // 86400000000 AS INT)) AS event_date,
  window_start,
  app_id,
  event_type,
  level_id,
  events
FROM events_agg_1min
WHERE
  NOT MAKE_DATE(CAST(EPOCH_US(window_start) // 86400000000 AS INT)) IN (
    SELECT
      event_date
    FROM closed_days
  )
UNION ALL
SELECT
  event_date,
  window_start,
  app_id,
  event_type,
  level_id,
  COUNT(*) AS events
FROM uncounted
WHERE
  NOT event_date IN (
    SELECT
      event_date
    FROM closed_days
  )
GROUP BY
  event_date,
  window_start,
  app_id,
  event_type,
  level_id
UNION ALL
SELECT
  MAKE_DATE(CAST(EPOCH_US(window_start) // 86400000000 AS INT)) AS event_date,
  window_start,
  app_id,
  event_type,
  level_id,
  events
FROM events_1min_closed
WHERE
  MAKE_DATE(CAST(EPOCH_US(window_start) // 86400000000 AS INT)) IN (
    SELECT
      event_date
    FROM closed_days
  );
