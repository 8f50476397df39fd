-- Lines: of the players of an install day, how many came back so many days later, over four weeks.
SELECT
  app_id,
  install_date,
  age_days,
  SUM(players) AS players,
  SUM(players) / MAX(SUM(IF(age_days = 0, players, 0)))
    OVER (PARTITION BY app_id, install_date) AS of_first_day
FROM retention_daily
WHERE event_date >= DATE_SUB(CURRENT_DATE(), INTERVAL 28 DAY)
  AND install_date >= DATE_SUB(CURRENT_DATE(), INTERVAL 28 DAY)
GROUP BY app_id, install_date, age_days
ORDER BY app_id, install_date, age_days
