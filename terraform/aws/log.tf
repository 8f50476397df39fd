# The log: Kafka with its three topics. Clients sign in with SASL/SCRAM, over TLS.

locals {
  topics     = yamldecode(file("${path.module}/../topics.yaml"))
  kafka_user = "questline"
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

  lifecycle {
    precondition {
      condition = (
        length(distinct(values(data.aws_subnet.given)[*].availability_zone)) == 3 &&
        length(distinct(values(data.aws_subnet.given)[*].vpc_id)) == 1
      )
      error_message = "subnet_ids do not lie in three zones of one network: `aws ec2 describe-subnets` shows AvailabilityZone and VpcId of each."
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
    "message.timestamp.type"         = each.value.timestamp_type
  })
}
