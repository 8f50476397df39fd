-- Derived from came_to.sql by scripts/derive-sql: change that one.
-- $1 run_id
/* How many rows stood at the positions of a replay, and how many it has put there. */
SELECT
  (
    SELECT
      COUNT(*)
    FROM staged_positions
    WHERE
      run = $1 AND found <> 'copy'
  ) AS rows_before,
  (
    SELECT
      COUNT(*)
    FROM (
      SELECT DISTINCT
        source_partition,
        source_offset
      FROM staged_events
      WHERE
        run = $1
    )
  ) + (
    SELECT
      COUNT(*)
    FROM (
      SELECT DISTINCT
        source_partition,
        source_offset
      FROM staged_events_dlq
      WHERE
        run = $1
    )
  ) - (
    SELECT
      COUNT(*)
    FROM staged_positions
    WHERE
      run = $1 AND found = 'copy'
  ) AS rows_after;
