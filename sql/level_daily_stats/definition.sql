-- Rows as received, so that BigQuery can keep it up to date by itself: an event that came twice is
-- counted twice, and no metric reads this.
CREATE MATERIALIZED VIEW IF NOT EXISTS level_daily_stats
PARTITION BY event_date
CLUSTER BY app_id, level_id
OPTIONS (
  description = 'Level events as received, a first look at the running day'
)
AS
SELECT event_date, app_id, level_id, event_type, COUNT(*) AS events
FROM events
WHERE event_date >= DATE '1970-01-01' AND level_id IS NOT NULL
GROUP BY event_date, app_id, level_id, event_type;
