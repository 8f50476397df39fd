-- What the checks of a run found.
SELECT check_name, broken_rows, checked_at
FROM quality_results
WHERE event_date = @date AND run_id = @run_id
ORDER BY check_name;
