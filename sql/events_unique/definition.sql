-- One row per event: of several, the first received wins. The date is part of the key so that a
-- filter on event_date prunes partitions through this view.
CREATE OR REPLACE VIEW events_unique AS
SELECT *
FROM events
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY app_id, event_id, event_date
  ORDER BY received_at, source_log, source_partition, source_offset
) = 1;
