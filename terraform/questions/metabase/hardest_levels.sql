-- Table: the levels of the last week that the fewest attempts pass, of those tried a hundred times.
-- A day's average of moves weighs as much as its completions, as on the page: how many of them told
-- their moves is not kept.
SELECT
  app_id,
  level_id,
  SUM(level_metrics.attempts) AS attempts,
  SUM(completions) / SUM(level_metrics.attempts) AS pass_rate,
  SUM(unique_players) AS players_by_day,
  SUM(avg_moves * completions) / NULLIF(SUM(IF(avg_moves IS NULL, 0, completions)), 0) AS avg_moves
FROM level_metrics
WHERE event_date >= DATE_SUB(CURRENT_DATE(), INTERVAL 7 DAY)
GROUP BY app_id, level_id
HAVING attempts >= 100
ORDER BY pass_rate
LIMIT 50
