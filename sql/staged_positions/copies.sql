-- Events put aside for positions where nothing stands, and of which an earlier one stands on their
-- partition: they were copies, however long before that was.
SELECT DISTINCT
  staged.source_partition, staged.source_offset, 'copy' AS found, FALSE AS counted,
  staged.run, staged.staged_at
FROM staged_events AS staged
JOIN events
  ON events.source_partition = staged.source_partition
  AND events.app_id = staged.app_id
  AND events.event_id = staged.event_id
WHERE staged.run = @run_id
  AND events.event_date >= '1970-01-01'
  AND events.source_log = @log_id
  AND events.source_offset < staged.source_offset
  AND NOT EXISTS (
    SELECT 1
    FROM staged_positions AS standing
    WHERE
      standing.run = @run_id
      AND standing.source_partition = staged.source_partition
      AND standing.source_offset = staged.source_offset
  );
