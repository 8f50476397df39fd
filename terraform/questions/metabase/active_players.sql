-- Line: players and sessions a day, and of each player how long, for each app over four weeks.
SELECT
  event_date,
  app_id,
  COUNT(*) AS players,
  SUM(sessions) AS sessions,
  SUM(playtime_minutes) / COUNT(*) AS minutes_per_player
FROM user_daily_metrics
WHERE event_date >= DATE_SUB(CURRENT_DATE(), INTERVAL 28 DAY)
GROUP BY event_date, app_id
ORDER BY event_date, app_id
