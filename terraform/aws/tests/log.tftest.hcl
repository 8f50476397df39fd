# The log is what the functions expect of it, and process loses nothing of it.

mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  google         = { project = "some-project" }
  kafka_password = "0123456789abcdef"
  subnet_ids     = ["subnet-0a", "subnet-0b", "subnet-0c"]
}

run "topics" {
  assert {
    condition = {
      for name, topic in aws_msk_topic.topic : name => [topic.partition_count, jsondecode(topic.configs)["retention.ms"]]
      } == {
      game-events-raw      = [64, "604800000"]
      game-events-enriched = [64, "259200000"]
      game-events-dlq      = [8, "2592000000"]
    }
    error_message = "Partitions or retentions are not 64/64/8 and 7, 3 and 30 days."
  }

  assert {
    condition = {
      for name, topic in aws_msk_topic.topic : name => jsondecode(topic.configs)["message.timestamp.type"]
      } == {
      game-events-raw      = "LogAppendTime"
      game-events-enriched = "CreateTime"
      game-events-dlq      = "CreateTime"
    }
    error_message = "Raw records are to have the broker's time, enriched ones theirs."
  }

  assert {
    condition = alltrue([
      for topic in aws_msk_topic.topic : topic.replication_factor == 3 &&
      jsondecode(topic.configs)["min.insync.replicas"] == "2" && jsondecode(topic.configs)["unclean.leader.election.enable"] == "false"
    ])
    error_message = "`stored` means two copies in sync, of three, and no leader without them."
  }

  assert {
    condition     = one(one(aws_msk_cluster.log.client_authentication).sasl).scram && one(one(aws_msk_cluster.log.encryption_info).encryption_in_transit).client_broker == "TLS"
    error_message = "Somebody may speak with Kafka without a password, or without TLS."
  }
}

run "nothing_is_skipped" {
  assert {
    condition = (
      aws_lambda_event_source_mapping.process.function_response_types == toset(["ReportBatchItemFailures"]) &&
      aws_lambda_event_source_mapping.process.maximum_retry_attempts == -1 &&
      aws_lambda_event_source_mapping.process.maximum_record_age_in_seconds == -1 &&
      length(aws_lambda_event_source_mapping.process.destination_config) == 0 &&
      length(aws_lambda_event_source_mapping.process.filter_criteria) == 0 &&
      aws_lambda_event_source_mapping.process.starting_position == "TRIM_HORIZON"
    )
    error_message = "A record could be skipped: by age, by number of tries, by a filter, or at the start."
  }
}

run "no_secret_is_kept" {
  command = apply

  assert {
    condition     = aws_secretsmanager_secret_version.kafka.secret_string == null && aws_secretsmanager_secret_version.kafka.secret_string_wo == null && aws_secretsmanager_secret_version.keys.secret_string == null
    error_message = "A secret is in the state."
  }

  assert {
    condition     = alltrue([for name, value in one(module.ingest.function.environment).variables : !strcontains(value, "0123456789abcdef")])
    error_message = "Kafka's password is in a variable of a function."
  }
}

run "who_speaks_with_the_log" {
  command = apply

  assert {
    condition = toset([
      for function in [module.ingest, module.process, module.dlq_reprocess, module.daily_aggregate, module.ml_trigger, module.dashboard] :
      function.name if contains(keys(one(function.function.environment).variables), "QUESTLINE_LOG")
    ]) == toset([for function in [module.ingest, module.process, module.dlq_reprocess, module.dashboard] : function.name])
    error_message = "The log is known to others than ingest, process, dlq-reprocess and the dashboard, or not to all of these. Raw records hold addresses of players."
  }

  assert {
    condition = alltrue([
      for function in [module.ingest, module.process, module.dlq_reprocess, module.daily_aggregate, module.ml_trigger, module.dashboard] :
      (length(function.function.vpc_config) == 1) == contains(keys(one(function.function.environment).variables), "QUESTLINE_LOG")
    ])
    error_message = "A function is told of the log and cannot reach it, or the other way round."
  }
}
