-- How each attempt stands.
SELECT *
FROM training_runs
WHERE training_date >= @since
QUALIFY ROW_NUMBER() OVER (PARTITION BY training_date, attempt ORDER BY recorded_at DESC) = 1
ORDER BY training_date, attempt;
