CREATE TABLE IF NOT EXISTS touched_days (
  event_date DATE NOT NULL OPTIONS (description = 'day whose numbers must be made anew if it is closed; the partition'),
  reason STRING NOT NULL OPTIONS (description = 'replay, reprocess, late_events, cross_day_duplicates or purchases'),
  touched_at TIMESTAMP NOT NULL OPTIONS (description = 'when that was noted')
)
PARTITION BY event_date
OPTIONS (
  description = 'What has changed closed days; entries are only ever added'
);
