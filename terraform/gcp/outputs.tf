output "dashboard_uri" {
  description = "The dashboard, for those in viewers: `gcloud run services proxy` opens it."
  value       = module.dashboard.uri
}

output "images" {
  description = "Where images are pushed."
  value       = google_artifact_registry_repository.images.registry_uri
}

output "ingest_uri" {
  description = "Where clients send events."
  value       = module.ingest.uri
}

output "kafka" {
  description = "Where the log is, as QUESTLINE_LOG names it."
  value       = local.kafka_env.QUESTLINE_LOG
}

output "next_steps" {
  description = "What to do now, in order."
  value = compact([
    "Add write keys: gcloud secrets versions add ${google_secret_manager_secret.keys.secret_id} --data-file=keys.json",
    "Deploy each function: scripts/deploy FUNCTION --platform gcp",
    var.geo_database != "" ? "" : "Copy a MaxMind-format database to ${google_storage_bucket.lookups.url}, and set geo_database to its name: until then geography stays NULL.",
    var.log_id != "" ? "" : "Set log_id within 7 days, so that raw events are archived: scripts/questline query 'SELECT DISTINCT log_id FROM ledger' shows it once an event was processed.",
    length(var.alert_emails) > 0 ? "" : "Set alert_emails: alerts reach nobody.",
  ])
}

output "tables" {
  description = "The dataset, as QUESTLINE_WAREHOUSE names it."
  value       = module.warehouse.dataset
}
