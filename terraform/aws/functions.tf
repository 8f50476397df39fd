# What all functions share: where they run, and what they are told.

locals {
  account = data.aws_caller_identity.this.account_id

  function = {
    prefix    = var.prefix
    region    = var.region
    account   = local.account
    artefacts = aws_s3_object.nothing_yet.bucket
    first     = aws_s3_object.nothing_yet.key
    env       = var.otlp_endpoint == "" ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT = var.otlp_endpoint }
  }

  network = {
    subnet_ids         = var.subnet_ids
    security_group_ids = [aws_security_group.functions.id]
  }

  kafka_env = {
    QUESTLINE_LOG                   = "kafka:${aws_msk_cluster.log.bootstrap_brokers_sasl_scram}"
    QUESTLINE_KAFKA_SIGN_IN         = "scram"
    QUESTLINE_KAFKA_USER            = local.kafka_user
    QUESTLINE_KAFKA_PASSWORD_SECRET = "${aws_secretsmanager_secret.kafka.arn}#password"
  }

  may_sign_in = [
    { Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = aws_secretsmanager_secret.kafka.arn },
    { Effect = "Allow", Action = "kms:Decrypt", Resource = aws_kms_key.main.arn },
  ]
}
