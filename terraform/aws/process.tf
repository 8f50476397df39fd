# ② process: Lambda polls the raw topic and owns the offsets. Nothing here skips a record: what fails
# is tried again until it does not, and only what failed is.

module "process" {
  source      = "./modules/function"
  name        = "process"
  shared      = local.function
  kms_key_arn = aws_kms_key.main.arn
  network     = local.network
  memory      = 2048
  timeout     = 300

  layers = compact([var.geo_layer])
  env = merge(
    local.kafka_env,
    local.google_env["process"],
    { QUESTLINE_WAREHOUSE = module.warehouse.dataset },
    var.geo_layer == "" ? {} : { QUESTLINE_GEO_DB = "/opt/geo.mmdb" },
  )

  may = concat(local.may_sign_in, [{
    Effect   = "Allow"
    Action   = ["kafka:DescribeCluster", "kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers"]
    Resource = aws_msk_cluster.log.arn
  }])
}

resource "aws_lambda_event_source_mapping" "process" {
  function_name           = module.process.arn
  event_source_arn        = aws_msk_cluster.log.arn
  topics                  = [aws_msk_topic.topic["game-events-raw"].name]
  starting_position       = "TRIM_HORIZON"
  batch_size              = 5000
  function_response_types = ["ReportBatchItemFailures"]

  # Once set, the 500 ms of the default never come back.
  maximum_batching_window_in_seconds = 1

  # For ever, at any age, and without a destination: with one, Lambda gives up after 10 tries.
  maximum_retry_attempts        = -1
  maximum_record_age_in_seconds = -1

  amazon_managed_kafka_event_source_config {
    consumer_group_id = "process"
  }

  source_access_configuration {
    type = "SASL_SCRAM_512_AUTH"
    uri  = aws_secretsmanager_secret.kafka.arn
  }

  # The controls above need provisioned pollers; one is always paid for.
  provisioned_poller_config {
    minimum_pollers = 1
    maximum_pollers = 16
  }

  depends_on = [aws_msk_scram_secret_association.kafka]
}
