# Kafka Connect: by it events leave the log, to the archive (archive.tf) and to other teams (fan-out.tf).

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
