# One network of our own: Kafka has an address in it, and functions reach it from there.

resource "google_compute_network" "main" {
  name                    = var.prefix
  auto_create_subnetworks = false
  depends_on              = [google_project_service.api]
}

resource "google_compute_subnetwork" "main" {
  name    = var.prefix
  network = google_compute_network.main.id
  region  = var.region

  # Kafka Connect takes a /22 at least.
  ip_cidr_range            = "10.64.0.0/20"
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "EXCLUDE_ALL_METADATA"
  }
}
