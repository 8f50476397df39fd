# ⑥ dashboard: what people look at; it only reads. Of a raw record it shows the value as sent, never the
# headers, which hold the address that it came from; an address within the value, which a server may send
# of its players, is seen by viewers, as headers of dead letters are.

module "dashboard" {
  source     = "./modules/function"
  name       = "dashboard"
  project    = local.function.project
  region     = local.function.region
  prefix     = local.function.prefix
  shared_env = local.function.env
  image      = local.images["dashboard"]
  subnetwork = google_compute_subnetwork.main.id
  instances  = { min = 0, max = 2 }
  invokers   = { for member in var.viewers : member => member }

  env = merge(local.kafka_env, {
    QUESTLINE_KAFKA_USER        = "${var.prefix}-dashboard@${var.project}.iam.gserviceaccount.com"
    QUESTLINE_WAREHOUSE         = local.warehouse
    QUESTLINE_DASHBOARD_VIEWERS = "platform"
  })
}
