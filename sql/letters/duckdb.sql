-- Derived from definition.sql by scripts/derive-sql: change that one.
/* Dead letters that wait: not brought back since, or brought back and dead once more, which makes */
/* them a letter of one attempt more. Of a record that was judged twice, the first letter counts. */
CREATE OR REPLACE VIEW letters AS
SELECT
  dlq.*
FROM events_dlq AS dlq
WHERE
  NOT EXISTS(
    SELECT
      1
    FROM events_reprocessed AS reprocessed
    WHERE
      reprocessed.letter = dlq.letter AND reprocessed.attempts = dlq.attempts + 1
  )
  AND NOT EXISTS(
    SELECT
      1
    FROM events_dlq AS twin
    WHERE
      twin.letter = dlq.letter
      AND twin.attempts = dlq.attempts
      AND (
        twin.failed_at < dlq.failed_at
        OR (
          twin.failed_at = dlq.failed_at AND twin.source_partition < dlq.source_partition
        )
        OR (
          twin.failed_at = dlq.failed_at
          AND twin.source_partition = dlq.source_partition
          AND twin.source_offset < dlq.source_offset
        )
      )
  );
