-- 1001 is level_start; the outcomes are 1002, level_complete, and 1003, level_fail.
WITH players AS (
  SELECT
    event_date,
    app_id,
    level_id,
    user_id,
    COUNTIF(event_type = 1001) AS starts,
    COUNTIF(event_type = 1002) AS completions,
    COUNTIF(event_type <> 1001) AS outcomes,
    COUNTIF(event_type <> 1001 AND ARRAY_LENGTH(boosters_used) > 0) AS boosted,
    -- Whole microseconds: a sum of fractions would change with the order of its parts.
    SUM(IF(event_type = 1002, CAST(ROUND(time_seconds * 1000000) AS INT64), NULL)) AS time_sum,
    COUNTIF(event_type = 1002 AND time_seconds IS NOT NULL) AS timed
  FROM day_rows
  WHERE event_date = @date
    AND event_type IN (1001, 1002, 1003)
    AND level_id IS NOT NULL
  GROUP BY event_date, app_id, level_id, user_id
),
levels AS (
  SELECT
    event_date,
    app_id,
    level_id,
    CAST(SUM(IF(starts > outcomes, starts, outcomes)) AS INT64) AS attempts,
    CAST(SUM(starts) AS INT64) AS starts,
    CAST(SUM(completions) AS INT64) AS completions,
    CAST(SUM(boosted) AS INT64) AS boosted,
    CAST(SUM(time_sum) AS INT64) AS time_sum,
    CAST(NULLIF(SUM(timed), 0) AS INT64) AS timed,
    COUNT(*) AS unique_players,
    COUNTIF(starts > 0) AS starters
  FROM players
  GROUP BY event_date, app_id, level_id
),
-- Nearest rank: the lowest value with enough values at or below it.
counts AS (
  SELECT app_id, level_id, moves_used, COUNT(*) AS completions
  FROM day_rows
  WHERE event_date = @date
    AND event_type = 1002
    AND level_id IS NOT NULL
    AND moves_used IS NOT NULL
  GROUP BY app_id, level_id, moves_used
),
ranks AS (
  SELECT
    app_id,
    level_id,
    moves_used,
    moves_used * completions AS moves_sum,
    completions,
    SUM(completions) OVER (PARTITION BY app_id, level_id ORDER BY moves_used) AS up_to,
    SUM(completions) OVER (PARTITION BY app_id, level_id) AS all_of_it
  FROM counts
),
moves AS (
  SELECT
    app_id,
    level_id,
    CAST(SUM(moves_sum) AS INT64) AS moves_sum,
    CAST(SUM(completions) AS INT64) AS counted,
    MIN(IF(up_to * 100 >= all_of_it * 50, moves_used, NULL)) AS p50_moves,
    MIN(IF(up_to * 100 >= all_of_it * 95, moves_used, NULL)) AS p95_moves
  FROM ranks
  GROUP BY app_id, level_id
)
SELECT
  levels.event_date,
  levels.app_id,
  levels.level_id,
  attempts,
  completions,
  completions / attempts AS pass_rate,
  -- Means are rounded as whole numbers, which is exact on every engine.
  (
    DIV(moves_sum, counted) * 1000000
    + DIV((MOD(moves_sum, counted) * 2000000 + counted), (2 * counted))
  ) / 1000000 AS avg_moves,
  p50_moves,
  p95_moves,
  (DIV(time_sum, timed) + IF(2 * MOD(time_sum, timed) >= timed, 1, 0)) / 1000000
    AS avg_time_seconds,
  unique_players,
  boosted / attempts AS booster_usage_rate,
  (starts - starters) / NULLIF(starts, 0) AS retry_rate
FROM levels
LEFT JOIN moves
  ON moves.app_id = levels.app_id
  AND moves.level_id = levels.level_id;
