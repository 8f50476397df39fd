-- fail
-- Level events without a level: level_metrics cannot count them.
SELECT app_id, event_type, COUNT(*) AS events
FROM day_rows
WHERE event_date = @date
  AND event_type IN (1001, 1002, 1003)
  AND level_id IS NULL
GROUP BY app_id, event_type;
