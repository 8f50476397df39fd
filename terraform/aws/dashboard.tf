# ⑥ dashboard: what people look at; it only reads. Its address answers who is signed in to the account
# and has the policy of outputs.viewers_policy. Of a raw record it shows the value as sent, never the
# headers, which hold the address that it came from; an address within the value, which a server may send
# of its players, is seen by viewers, as headers of dead letters are. That it only reads is up to its
# code: Kafka has one user here.

module "dashboard" {
  source      = "./modules/function"
  name        = "dashboard"
  shared      = local.function
  kms_key_arn = aws_kms_key.main.arn
  network     = local.network
  # Longer than a stream of the page.
  timeout = 300

  env = merge(local.kafka_env, local.google_env["dashboard"], {
    QUESTLINE_WAREHOUSE         = module.warehouse.dataset
    QUESTLINE_DASHBOARD_VIEWERS = "platform"
  })
  may = local.may_sign_in
}

resource "aws_lambda_function_url" "dashboard" {
  function_name      = module.dashboard.name
  qualifier          = "live"
  authorization_type = "AWS_IAM"
  invoke_mode        = "RESPONSE_STREAM"
  depends_on         = [module.dashboard]
}

resource "aws_iam_policy" "viewers" {
  name        = "${var.prefix}-viewers"
  description = "May look at the dashboard"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]
      Resource = module.dashboard.arn
    }]
  })
}

resource "aws_iam_policy" "operators" {
  name        = "${var.prefix}-operators"
  description = "May reprocess dead letters, and start a daily run by hand"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = [module.dlq_reprocess.arn, module.daily_aggregate.arn]
    }]
  })
}
