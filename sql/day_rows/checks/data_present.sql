-- fail
-- The day has no event at all.
SELECT COUNT(*) AS events
FROM day_rows
WHERE event_date = @date
HAVING COUNT(*) = 0;
