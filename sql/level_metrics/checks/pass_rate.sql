-- fail
-- A rate that is none.
SELECT app_id, level_id, attempts, completions, pass_rate
FROM level_metrics
WHERE event_date = @date
  AND (pass_rate < 0 OR pass_rate > 1 OR IS_NAN(pass_rate));
