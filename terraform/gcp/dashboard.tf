# ⑥ dashboard: what people look at; it only reads.

module "dashboard" {
  source        = "./modules/function"
  name          = "dashboard"
  project       = local.function.project
  region        = local.function.region
  prefix        = local.function.prefix
  metrics_image = local.function.metrics_image
  image         = local.images["dashboard"]
  instances     = { min = 0, max = 2 }
  invokers      = { for member in var.viewers : member => member }

  env = {
    QUESTLINE_WAREHOUSE         = local.warehouse
    QUESTLINE_DASHBOARD_VIEWERS = "platform"
  }
}
