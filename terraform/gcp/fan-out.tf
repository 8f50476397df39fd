# Enriched events to other teams, each with a subscription of its own.

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

resource "google_pubsub_topic" "enriched" {
  name       = "${var.prefix}-enriched"
  depends_on = [google_project_service.api]
}

resource "google_pubsub_topic" "enriched_dead_letters" {
  name       = "${var.prefix}-enriched-dead-letters"
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
  name                       = "${var.prefix}-enriched-${each.key}"
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
