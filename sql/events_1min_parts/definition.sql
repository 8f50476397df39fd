-- What one-minute counts add up from. Closed days are exact whatever came twice or late; open and stale
-- days, and those whose run is being made anew, are exact within the deduplication window. Whoever wants
-- fewer keys than events_1min has adds the parts up once, and whoever filters by the date reads no other
-- partition.
CREATE OR REPLACE VIEW events_1min_parts AS
WITH uncounted AS (
  -- Written where the platform owns the offsets: a source position may come more than once.
  SELECT DISTINCT
    event_date,
    TIMESTAMP_TRUNC(timestamp, MINUTE) AS window_start,
    app_id,
    event_type,
    level_id,
    source_log,
    source_partition,
    source_offset
  FROM events
  WHERE event_date >= DATE '1970-01-01' AND NOT counted
),
-- Days whose rows a run has read anew, and has not counted yet: their closed minutes are the last run's.
reread_days AS (
  SELECT event_date
  FROM pipeline_runs
  WHERE state = 'done'
  GROUP BY event_date
  HAVING MAX(IF(step = 'day_rows', started_at, NULL))
    > MAX(IF(step = 'events_1min_closed', started_at, NULL))
),
closed_days AS (
  SELECT DISTINCT DATE(window_start) AS event_date
  FROM events_1min_closed
  WHERE DATE(window_start) NOT IN (SELECT event_date FROM stale_days)
    AND DATE(window_start) NOT IN (SELECT event_date FROM reread_days)
)
SELECT DATE(window_start) AS event_date, window_start, app_id, event_type, level_id, events
FROM events_agg_1min
WHERE DATE(window_start) NOT IN (SELECT event_date FROM closed_days)
UNION ALL
SELECT event_date, window_start, app_id, event_type, level_id, COUNT(*) AS events
FROM uncounted
WHERE event_date NOT IN (SELECT event_date FROM closed_days)
GROUP BY event_date, window_start, app_id, event_type, level_id
UNION ALL
SELECT DATE(window_start) AS event_date, window_start, app_id, event_type, level_id, events
FROM events_1min_closed
WHERE DATE(window_start) IN (SELECT event_date FROM closed_days);
