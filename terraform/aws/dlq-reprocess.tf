# ③ dlq-reprocess: dead letters back onto the raw topic, when an operator says so.

module "dlq_reprocess" {
  source      = "./modules/function"
  name        = "dlq-reprocess"
  shared      = local.function
  kms_key_arn = aws_kms_key.main.arn
  network     = local.network
  timeout     = 900

  # One run at a time: what it selects, nobody else brings back meanwhile.
  concurrency = 1

  env = merge(local.kafka_env, local.google_env["dlq-reprocess"], {
    QUESTLINE_WAREHOUSE = module.warehouse.dataset
  })
  may = local.may_sign_in
}
