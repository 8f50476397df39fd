# What leaves the log by Kafka Connect: raw events to the archive, enriched ones to other teams.

resource "google_managed_kafka_connect_cluster" "connect" {
  connect_cluster_id = var.prefix
  kafka_cluster      = google_managed_kafka_cluster.log.id
  location           = var.region

  capacity_config {
    vcpu_count   = 3
    memory_bytes = 3 * 1073741824
  }

  gcp_config {
    access_config {
      network_configs {
        primary_subnet = google_compute_subnetwork.main.id
      }
    }
  }
}

# Replay reads the archive back: key, value and headers as bytes, where the record stood, and when.
resource "google_managed_kafka_connector" "archive" {
  # Another log begins at offset 0 again, so its records must not lie among these.
  count           = var.log_id == "" ? 0 : 1
  connector_id    = "raw-to-archive"
  connect_cluster = google_managed_kafka_connect_cluster.connect.connect_cluster_id
  location        = var.region

  configs = {
    "connector.class"                     = "io.aiven.kafka.connect.gcs.GcsSinkConnector"
    "tasks.max"                           = "4"
    "topics"                              = google_managed_kafka_topic.topic["game-events-raw"].topic_id
    "key.converter"                       = "org.apache.kafka.connect.converters.ByteArrayConverter"
    "value.converter"                     = "org.apache.kafka.connect.converters.ByteArrayConverter"
    "header.converter"                    = "org.apache.kafka.connect.converters.ByteArrayConverter"
    "gcs.bucket.name"                     = google_storage_bucket.archive.name
    "gcs.credentials.default"             = "true"
    "file.name.prefix"                    = "raw/${var.log_id}/"
    "file.name.template"                  = "{{topic}}/{{partition:padding=true}}/{{start_offset:padding=true}}.jsonl.gz"
    "file.compression.type"               = "gzip"
    "file.max.records"                    = "50000"
    "format.output.type"                  = "jsonl"
    "format.output.fields"                = "key,value,offset,timestamp,headers"
    "format.output.fields.value.encoding" = "base64"
  }

  task_restart_policy {
    minimum_backoff = "60s"
    maximum_backoff = "1800s"
  }

  depends_on = [google_storage_bucket_iam_member.archive, google_managed_kafka_acl.topic]
}

resource "google_managed_kafka_connector" "fan_out" {
  connector_id    = "enriched-to-pubsub"
  connect_cluster = google_managed_kafka_connect_cluster.connect.connect_cluster_id
  location        = var.region

  configs = {
    "connector.class"   = "com.google.pubsub.kafka.sink.CloudPubSubSinkConnector"
    "tasks.max"         = "4"
    "topics"            = google_managed_kafka_topic.topic["game-events-enriched"].topic_id
    "key.converter"     = "org.apache.kafka.connect.storage.StringConverter"
    "value.converter"   = "org.apache.kafka.connect.converters.ByteArrayConverter"
    "cps.project"       = var.project
    "cps.topic"         = google_pubsub_topic.enriched.name
    "orderingKeySource" = "key"
    "metadata.publish"  = "true"
    "headers.publish"   = "false"
  }

  task_restart_policy {
    minimum_backoff = "60s"
    maximum_backoff = "1800s"
  }

  depends_on = [google_pubsub_topic_iam_member.connect, google_managed_kafka_acl.topic]
}

resource "google_storage_bucket" "archive" {
  #checkov:skip=CKV_GCP_78:A version kept would be kept beyond its 90 days
  name                        = "${var.project}-${var.prefix}-archive"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # Records hold addresses of players, which are kept 90 days at most.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 90
    }
  }

  # Read only for a replay.
  lifecycle_rule {
    action {
      type          = "SetStorageClass"
      storage_class = "NEARLINE"
    }
    condition {
      age = 8
    }
  }

  # What is deleted after its 90 days is gone then.
  soft_delete_policy {
    retention_duration_seconds = 0
  }
}

# A connector that begins again writes its last file once more, so it also deletes.
resource "google_storage_bucket_iam_member" "archive" {
  bucket     = google_storage_bucket.archive.name
  role       = "roles/storage.objectUser"
  member     = "serviceAccount:${local._kafka_agent}"
  depends_on = [google_managed_kafka_cluster.log]
}

resource "google_pubsub_topic" "enriched" {
  name       = "game-events-enriched"
  depends_on = [google_project_service.api]
}

resource "google_pubsub_topic" "enriched_dead_letters" {
  name       = "game-events-enriched-dead-letters"
  depends_on = [google_project_service.api]
}

resource "google_pubsub_topic_iam_member" "connect" {
  topic      = google_pubsub_topic.enriched.id
  role       = "roles/pubsub.publisher"
  member     = "serviceAccount:${local._kafka_agent}"
  depends_on = [google_managed_kafka_cluster.log]
}

resource "google_pubsub_subscription" "enriched" {
  for_each                   = var.enriched_subscribers
  name                       = "game-events-enriched-${each.key}"
  topic                      = google_pubsub_topic.enriched.id
  enable_message_ordering    = true
  ack_deadline_seconds       = 60
  message_retention_duration = "259200s"

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.enriched_dead_letters.id
    max_delivery_attempts = 10
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  # It stays when nobody reads for a month.
  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub itself moves what cannot be delivered.
locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic_iam_member" "enriched_dead_letters" {
  topic  = google_pubsub_topic.enriched_dead_letters.id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "enriched" {
  for_each     = google_pubsub_subscription.enriched
  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# Dead letters that nobody subscribes to are lost at once.
resource "google_pubsub_subscription" "enriched_dead_letters" {
  name                       = google_pubsub_topic.enriched_dead_letters.name
  topic                      = google_pubsub_topic.enriched_dead_letters.id
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }
}
