-- Ordered, so that the same rows are the same file.
SELECT app_id, level_id, pass_rate, avg_moves, p95_moves, retry_rate, booster_usage_rate
FROM level_features
WHERE event_date = @date
ORDER BY app_id, level_id;
