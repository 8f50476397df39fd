# How clients sign in to Kafka: one user, whose password no state and no variable holds.

# MSK reads passwords only out of secrets whose name begins so, encrypted with a key of one's own.
resource "aws_secretsmanager_secret" "kafka" {
  #checkov:skip=CKV2_AWS_57:Brokers and functions take a new password at once or not at all; kafka_password_version writes one
  name        = "AmazonMSK_${var.prefix}"
  description = "Kafka's user"
  kms_key_id  = aws_kms_key.main.arn

  # Its name is free again only when it is gone.
  recovery_window_in_days = var.deletion_protection ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "kafka" {
  secret_id                = aws_secretsmanager_secret.kafka.id
  secret_string_wo         = jsonencode({ username = local.kafka_user, password = var.kafka_password })
  secret_string_wo_version = var.kafka_password_version
}

resource "aws_secretsmanager_secret_policy" "kafka" {
  secret_arn = aws_secretsmanager_secret.kafka.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "kafka.amazonaws.com" }
      Action    = "secretsmanager:GetSecretValue"
      Resource  = aws_secretsmanager_secret.kafka.arn
    }]
  })
}

resource "aws_msk_scram_secret_association" "kafka" {
  cluster_arn     = aws_msk_cluster.log.arn
  secret_arn_list = [aws_secretsmanager_secret.kafka.arn]
  depends_on      = [aws_secretsmanager_secret_version.kafka, aws_secretsmanager_secret_policy.kafka]
}
