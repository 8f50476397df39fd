# The log is what the functions expect of it, by the numbers of the contract.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project = "some-project"
}

run "topics" {
  assert {
    condition = {
      for name, topic in google_managed_kafka_topic.topic : name => [topic.partition_count, topic.configs["retention.ms"]]
      } == {
      game-events-raw      = [64, "604800000"]
      game-events-enriched = [64, "259200000"]
      game-events-dlq      = [8, "2592000000"]
    }
    error_message = "Partitions or retentions are not 64/64/8 and 7, 3 and 30 days."
  }

  assert {
    condition = {
      for name, topic in google_managed_kafka_topic.topic : name => topic.configs["message.timestamp.type"]
      } == {
      game-events-raw      = "LogAppendTime"
      game-events-enriched = "CreateTime"
      game-events-dlq      = "CreateTime"
    }
    error_message = "Raw records are to have the broker's time, enriched ones theirs."
  }

  assert {
    condition = alltrue([
      for topic in google_managed_kafka_topic.topic : topic.replication_factor == 3 &&
      topic.configs["min.insync.replicas"] == "2" && topic.configs["unclean.leader.election.enable"] == "false"
    ])
    error_message = "`stored` means two copies in sync, of three, and no leader without them."
  }

  assert {
    condition     = length(google_managed_kafka_connector.archive) == 0
    error_message = "Without the log's id, records of two logs would be mixed in the archive."
  }
}

run "rights_in_the_log" {
  # Addresses of accounts are known after apply.
  command = apply

  assert {
    condition = alltrue([
      for name, acl in google_managed_kafka_acl.topic : alltrue([
        for entry in acl.acl_entries : contains(["DESCRIBE", "DESCRIBE_CONFIGS"], entry.operation) || entry.principal != "User:*"
      ])
    ])
    error_message = "Everybody may read or write a topic."
  }

  assert {
    condition = toset([
      for entry in google_managed_kafka_acl.topic["game-events-raw"].acl_entries : entry.principal if entry.operation == "WRITE"
    ]) == toset(["User:${module.ingest.email}", "User:${module.dlq_reprocess.email}"])
    error_message = "Others than ingest and dlq-reprocess write raw events."
  }

  assert {
    condition = toset([
      for entry in google_managed_kafka_acl.topic["game-events-raw"].acl_entries : entry.principal if entry.operation == "READ"
      ]) == toset([
      for email in [google_service_account.process.email, google_service_account.replay.email, module.dashboard.email, local._kafka_agent] :
      "User:${email}"
    ])
    error_message = "Raw records hold addresses of players: none but process, a replay, the dashboard and the archive's connector read them."
  }

  assert {
    condition = [
      for email in [module.dashboard.email, google_service_account.replay.email] : flatten([
        for acl in concat(values(google_managed_kafka_acl.process), values(google_managed_kafka_acl.topic)) : [
          for entry in acl.acl_entries : "${acl.acl_id} ${entry.operation}" if entry.principal == "User:${email}"
        ]
      ])
    ] == [["topic/game-events-raw READ"], ["consumerGroup/process DESCRIBE", "topic/game-events-raw READ"]]
    error_message = "The dashboard or a replay may do more in the log than read raw events."
  }

  assert {
    condition = (
      one([for entry in google_managed_kafka_acl.process["consumerGroup/process"].acl_entries : entry.principal if entry.operation == "READ"]) == "User:${google_service_account.process.email}" &&
      one(google_managed_kafka_acl.onlooker.acl_entries).operation == "DESCRIBE"
    )
    error_message = "Others than process commit its offsets, or somebody commits as an onlooker."
  }

  assert {
    condition = length(setsubtract(
      [for email in [google_service_account.replay.email, module.dlq_reprocess.email] : "User:${email}"],
      [for entry in google_managed_kafka_acl.process["consumerGroup/process"].acl_entries : entry.principal if entry.operation == "DESCRIBE"],
    )) == 0
    error_message = "A replay or dlq-reprocess waits for processing, and may not ask how far it is."
  }
}

run "archive" {
  variables {
    log_id = "abc.def"
  }

  assert {
    condition     = google_managed_kafka_connector.archive[0].configs["file.name.prefix"] == "raw/abc.def/"
    error_message = "The log's id is not in the archive's path."
  }

  # The connector cannot be had to ask it: archive-connector-keys.txt lists what its source defines.
  assert {
    condition = length(setsubtract(
      keys(google_managed_kafka_connector.archive[0].configs),
      split("\n", trimspace(file("${path.module}/tests/archive-connector-keys.txt"))),
    )) == 0
    error_message = "The archive's connector is told something that it does not know: ${join(", ", setsubtract(keys(google_managed_kafka_connector.archive[0].configs), split("\n", trimspace(file("${path.module}/tests/archive-connector-keys.txt")))))}"
  }

  assert {
    condition = alltrue([
      for rule in google_storage_bucket.archive.lifecycle_rule :
      one(rule.condition).age == 90 if one(rule.action).type == "Delete"
    ]) && one(google_storage_bucket.archive.soft_delete_policy).retention_duration_seconds == 0
    error_message = "Addresses of players are kept 90 days, not longer."
  }
}
