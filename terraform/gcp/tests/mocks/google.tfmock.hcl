# What Google would compute, where others build on it.

mock_data "google_project" {
  defaults = { number = "123456789012" }
}

mock_resource "google_cloud_run_v2_service" {
  defaults = { uri = "https://service.example" }
}

mock_resource "google_managed_kafka_cluster" {
  defaults = { bootstrap_address = "bootstrap.example:9092" }
}
