-- Table: checks of the last two weeks that a day's numbers did not pass, the newest first.
SELECT event_date, check_name, severity, broken_rows, checked_at
FROM quality_results
WHERE event_date >= DATE_SUB(CURRENT_DATE(), INTERVAL 14 DAY)
  AND NOT passed
ORDER BY event_date DESC, severity, check_name
