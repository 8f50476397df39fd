-- Runs after cross_day_duplicates of the same day.
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
FROM events_unique
WHERE event_date = @date
  AND NOT EXISTS (
    SELECT 1
    FROM cross_day_duplicates
    WHERE cross_day_duplicates.run_date = @date
      AND cross_day_duplicates.event_date = events_unique.event_date
      AND cross_day_duplicates.app_id = events_unique.app_id
      AND cross_day_duplicates.event_id = events_unique.event_id
  );
