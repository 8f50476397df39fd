# The log: Kafka, its three topics, and who may do what with them.

locals {
  topics = yamldecode(file("${path.module}/../topics.yaml"))

  # Every function looks at every topic when it starts; what it may do beside that stands here.
  _topic_rights = {
    game-events-raw = {
      WRITE = [module.ingest.email, module.dlq_reprocess.email]
      READ = [
        google_service_account.process.email, google_service_account.replay.email, module.dashboard.email,
        local._kafka_agent,
      ]
    }
    game-events-enriched = {
      WRITE = [google_service_account.process.email]
      # Processing rebuilds its deduplication window from what it accepted.
      READ = [google_service_account.process.email, local._kafka_agent]
    }
    game-events-dlq = {
      WRITE = [google_service_account.process.email]
      READ  = []
    }
  }

  # Connectors work as this one.
  _kafka_agent = "service-${data.google_project.this.number}@gcp-sa-managedkafka.iam.gserviceaccount.com"
}

resource "google_managed_kafka_cluster" "log" {
  cluster_id = var.prefix
  location   = var.region

  capacity_config {
    vcpu_count   = var.kafka.vcpus
    memory_bytes = var.kafka.memory_gib * 1073741824
  }

  gcp_config {
    access_config {
      network_configs {
        subnet = google_compute_subnetwork.main.id
      }
    }
  }

  rebalance_config {
    mode = "AUTO_REBALANCE_ON_SCALE_UP"
  }

  deletion_policy = var.deletion_protection ? "PREVENT" : "DELETE"
  depends_on      = [google_project_service.api]
}

resource "google_managed_kafka_topic" "topic" {
  for_each           = local.topics
  cluster            = google_managed_kafka_cluster.log.cluster_id
  location           = var.region
  topic_id           = each.key
  partition_count    = each.value.partitions
  replication_factor = 3

  configs = {
    "retention.ms"                   = tostring(each.value.retention_days * 86400000)
    "min.insync.replicas"            = "2"
    "unclean.leader.election.enable" = "false"
    "cleanup.policy"                 = "delete"
    "max.message.bytes"              = tostring(each.value.max_message_bytes)
    "message.timestamp.type"         = each.value.timestamp_type
  }

  deletion_policy = var.deletion_protection ? "PREVENT" : "DELETE"
}

resource "google_managed_kafka_acl" "topic" {
  for_each = local._topic_rights
  cluster  = google_managed_kafka_cluster.log.cluster_id
  location = var.region
  acl_id   = "topic/${google_managed_kafka_topic.topic[each.key].topic_id}"

  dynamic "acl_entries" {
    for_each = concat(
      [for operation in ["DESCRIBE", "DESCRIBE_CONFIGS"] : { principal = "User:*", operation = operation }],
      flatten([for operation, emails in each.value : [
        for email in emails : { principal = "User:${email}", operation = operation }
      ]]),
    )
    content {
      principal       = acl_entries.value.principal
      operation       = acl_entries.value.operation
      permission_type = "ALLOW"
      host            = "*"
    }
  }
}

# Only processing commits offsets of its group, and only it writes under its transactional ids. How far
# it is, those ask who wait for it.
resource "google_managed_kafka_acl" "process" {
  for_each = {
    "consumerGroup/process" = {
      READ     = [google_service_account.process.email]
      DESCRIBE = [google_service_account.process.email, google_service_account.replay.email, module.dlq_reprocess.email]
    }
    "transactionalIdPrefixed/questline.process." = {
      WRITE    = [google_service_account.process.email]
      DESCRIBE = [google_service_account.process.email]
    }
  }
  cluster  = google_managed_kafka_cluster.log.cluster_id
  location = var.region
  acl_id   = each.key

  dynamic "acl_entries" {
    for_each = flatten([for operation, emails in each.value : [
      for email in emails : { principal = "User:${email}", operation = operation }
    ]])
    content {
      principal       = acl_entries.value.principal
      operation       = acl_entries.value.operation
      permission_type = "ALLOW"
      host            = "*"
    }
  }
}

# Whoever reads without a group of its own looks for the coordinator of this one; nobody commits to it.
resource "google_managed_kafka_acl" "onlooker" {
  cluster  = google_managed_kafka_cluster.log.cluster_id
  location = var.region
  acl_id   = "consumerGroup/questline.onlooker"

  acl_entries {
    principal       = "User:*"
    operation       = "DESCRIBE"
    permission_type = "ALLOW"
    host            = "*"
  }
}
