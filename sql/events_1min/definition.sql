-- Closed days are exact whatever came twice or late; open and stale days are exact within the
-- deduplication window.
CREATE OR REPLACE VIEW events_1min AS
SELECT window_start, app_id, event_type, level_id, CAST(SUM(events) AS INT64) AS events
FROM events_1min_parts
GROUP BY window_start, app_id, event_type, level_id;
