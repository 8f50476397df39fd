# The log: Kafka with its three topics. Clients sign in with SASL/SCRAM, over TLS.

locals {
  topics     = yamldecode(file("${path.module}/../topics.yaml"))
  kafka_user = "questline"
}

data "aws_subnet" "first" {
  id = var.subnet_ids[0]
}

resource "aws_security_group" "functions" {
  name        = "${var.prefix}-functions"
  description = "Functions that speak with Kafka"
  vpc_id      = data.aws_subnet.first.vpc_id
}

resource "aws_security_group" "kafka" {
  name        = "${var.prefix}-kafka"
  description = "Brokers, and what polls them for process"
  vpc_id      = data.aws_subnet.first.vpc_id
}

# Google's warehouse and the cloud's own services are outside.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each          = { functions = aws_security_group.functions.id, kafka = aws_security_group.kafka.id }
  security_group_id = each.value
  description       = "HTTPS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "kafka" {
  for_each                     = { functions = aws_security_group.functions.id, kafka = aws_security_group.kafka.id }
  security_group_id            = each.value
  description                  = "Kafka"
  referenced_security_group_id = aws_security_group.kafka.id
  ip_protocol                  = "tcp"
  from_port                    = 9096
  to_port                      = 9096
}

resource "aws_vpc_security_group_ingress_rule" "kafka" {
  for_each                     = { functions = aws_security_group.functions.id, kafka = aws_security_group.kafka.id }
  security_group_id            = aws_security_group.kafka.id
  description                  = "Kafka, from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 9096
  to_port                      = 9096
}

resource "aws_msk_configuration" "log" {
  name              = var.prefix
  description       = "Topics are made on purpose, and no leader is elected that lacks records"
  server_properties = <<-EOT
    auto.create.topics.enable=false
    default.replication.factor=3
    min.insync.replicas=2
    unclean.leader.election.enable=false
  EOT
}

resource "aws_msk_cluster" "log" {
  cluster_name           = var.prefix
  kafka_version          = "3.9.x.kraft"
  number_of_broker_nodes = 3
  enhanced_monitoring    = "PER_TOPIC_PER_PARTITION"

  broker_node_group_info {
    instance_type   = var.kafka.instance_type
    client_subnets  = var.subnet_ids
    security_groups = [aws_security_group.kafka.id]
    storage_info {
      ebs_storage_info {
        volume_size = var.kafka.volume_gib
      }
    }
  }

  client_authentication {
    sasl {
      scram = true
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.log.arn
    revision = aws_msk_configuration.log.latest_revision
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = aws_kms_key.main.arn
    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.kafka.name
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "kafka" {
  name              = "/aws/msk/${var.prefix}"
  retention_in_days = 30
  kms_key_id        = aws_kms_key.main.arn
}

resource "aws_msk_topic" "topic" {
  for_each           = local.topics
  cluster_arn        = aws_msk_cluster.log.arn
  name               = each.key
  partition_count    = each.value.partitions
  replication_factor = 3

  configs = jsonencode({
    "retention.ms"                   = tostring(each.value.retention_days * 86400000)
    "min.insync.replicas"            = "2"
    "unclean.leader.election.enable" = "false"
    "cleanup.policy"                 = "delete"
    "max.message.bytes"              = tostring(each.value.max_message_bytes)
  })
}

# MSK reads passwords only out of secrets whose name begins so, encrypted with a key of one's own.
resource "aws_secretsmanager_secret" "kafka" {
  #checkov:skip=CKV2_AWS_57:Brokers and functions take a new password at once or not at all; kafka_password_version writes one
  name        = "AmazonMSK_${var.prefix}"
  description = "Kafka's user"
  kms_key_id  = aws_kms_key.main.arn
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
