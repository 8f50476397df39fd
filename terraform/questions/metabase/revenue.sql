-- Stacked bars: revenue a day by country, for each app over four weeks.
SELECT
  event_date,
  app_id,
  COALESCE(country, 'unknown') AS country,
  SUM(revenue_usd) AS revenue_usd,
  SUM(payers) AS payers
FROM revenue_daily_metrics
WHERE event_date >= DATE_SUB(CURRENT_DATE(), INTERVAL 28 DAY)
GROUP BY event_date, app_id, country
ORDER BY event_date, app_id, revenue_usd DESC
