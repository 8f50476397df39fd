# BigQuery gets what sql/ defines, all of it and nothing else.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project = "some-project"
}

run "tables_equal_sql" {
  assert {
    condition = toset(keys(module.warehouse.tables)) == toset([
      for path in fileset("${path.module}/../../sql", "*/definition.sql") : dirname(path)
    ])
    error_message = "Tables and folders of sql/ differ; scripts/derive-tables brings them together."
  }

  assert {
    condition = alltrue([
      for name, table in jsondecode(file("${path.module}/../tables.json")).tables :
      jsondecode(module.warehouse.tables[name].schema) == table.schema
    ])
    error_message = "A table's columns are not those of sql/."
  }

  assert {
    condition     = length(jsondecode(module.warehouse.tables["events"].schema)) == length(regexall("(?m)^  \\w+ [A-Z]", file("${path.module}/../../sql/events/definition.sql")))
    error_message = "events has not as many columns as its definition has lines of them."
  }

  assert {
    condition = (
      module.warehouse.tables["events"].require_partition_filter &&
      one(module.warehouse.tables["events"].time_partitioning).field == "event_date" &&
      one(module.warehouse.tables["events"].time_partitioning).expiration_ms == 365 * 86400000 &&
      module.warehouse.tables["events"].clustering == tolist(["event_type", "user_id"]) &&
      one(module.warehouse.tables["events_dlq"].time_partitioning).expiration_ms == 90 * 86400000
    )
    error_message = "Partitions, expiration or clusters are not those of sql/."
  }

  assert {
    condition = alltrue([
      for name, table in module.warehouse.tables : table.deletion_protection
    ])
    error_message = "A table is not protected against deletion."
  }

  assert {
    condition     = strcontains(one(module.warehouse.tables["ledger_residue"].view).query, "FROM `some-project.questline.ledger_minutes`")
    error_message = "A view does not name the dataset of what it reads."
  }
}
