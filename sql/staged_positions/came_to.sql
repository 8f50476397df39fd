-- How many rows stood at the positions of a replay, and how many it has put there.
SELECT
  (
    SELECT COUNT(*)
    FROM staged_positions
    WHERE run = @run_id AND found <> 'copy'
  ) AS rows_before,
  (
    SELECT COUNT(*)
    FROM (SELECT DISTINCT source_partition, source_offset FROM staged_events WHERE run = @run_id)
  ) + (
    SELECT COUNT(*)
    FROM (SELECT DISTINCT source_partition, source_offset FROM staged_events_dlq WHERE run = @run_id)
  ) - (
    SELECT COUNT(*)
    FROM staged_positions
    WHERE run = @run_id AND found = 'copy'
  ) AS rows_after;
