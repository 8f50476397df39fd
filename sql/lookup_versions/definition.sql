CREATE TABLE IF NOT EXISTS lookup_versions (
  loaded_at TIMESTAMP NOT NULL OPTIONS (description = 'when a process loaded it'),
  function_version STRING NOT NULL OPTIONS (description = 'release and lookups, as dead letters name it'),
  `lookup` STRING NOT NULL OPTIONS (description = 'registry, geo or devices'),
  version STRING NOT NULL OPTIONS (description = 'version of its content')
)
OPTIONS (
  description = 'By what events were judged, and since when'
);
