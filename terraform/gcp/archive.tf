# The archive: raw events as they came, for a replay beyond the 7 days of the topic.

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

  depends_on = [google_project_service.api]
}

# A connector that begins again writes its last file once more, so it also deletes.
resource "google_storage_bucket_iam_member" "archive" {
  bucket     = google_storage_bucket.archive.name
  role       = "roles/storage.objectUser"
  member     = "serviceAccount:${local._kafka_agent}"
  depends_on = [google_managed_kafka_cluster.log]
}
