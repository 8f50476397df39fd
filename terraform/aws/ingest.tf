# ① ingest: the only function that anybody may call, through a gateway that throttles.

locals {
  # /metrics is not among them, so it is not reachable from outside.
  _routes = toset([
    "POST /v1/events", "POST /v1/validate", "OPTIONS /v1/events", "OPTIONS /v1/validate",
    "GET /healthz", "GET /version", "GET /ready", "GET /readyz", "GET /openapi.json",
  ])
}

module "ingest" {
  source      = "./modules/function"
  name        = "ingest"
  shared      = local.function
  kms_key_arn = aws_kms_key.main.arn
  network     = local.network
  memory      = 1024

  env = merge(local.kafka_env, {
    QUESTLINE_KEYS_SECRET = aws_secretsmanager_secret.keys.arn
  })
  may = concat(local.may_sign_in, [
    { Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = aws_secretsmanager_secret.keys.arn },
  ])
}

# The write keys, hashed. New ones are a new version: outputs.next_steps tells how.
resource "aws_secretsmanager_secret" "keys" {
  #checkov:skip=CKV2_AWS_57:Keys are in the clients' hands; new ones are added beside old ones
  name        = "${var.prefix}-keys"
  description = "Write keys, hashed"
  kms_key_id  = aws_kms_key.main.arn

  # Its name is free again only when it is gone.
  recovery_window_in_days = var.deletion_protection ? 30 : 0
}

# No key at all: ingest starts, and refuses everybody until there are some.
resource "aws_secretsmanager_secret_version" "keys" {
  secret_id                = aws_secretsmanager_secret.keys.id
  secret_string_wo         = "[]"
  secret_string_wo_version = 1
}

resource "aws_apigatewayv2_api" "ingest" {
  name          = "${var.prefix}-ingest"
  protocol_type = "HTTP"
  description   = "Events of game clients"
}

resource "aws_apigatewayv2_integration" "ingest" {
  api_id                 = aws_apigatewayv2_api.ingest.id
  integration_type       = "AWS_PROXY"
  integration_uri        = module.ingest.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "ingest" {
  #checkov:skip=CKV_AWS_309:The write key in the request is what counts
  for_each  = local._routes
  api_id    = aws_apigatewayv2_api.ingest.id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.ingest.id}"
}

resource "aws_apigatewayv2_stage" "ingest" {
  api_id      = aws_apigatewayv2_api.ingest.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit    = var.throttle.rate
    throttling_burst_limit   = var.throttle.burst
    detailed_metrics_enabled = true
  }

  # Query strings may hold a write key, and addresses are the players': neither is logged.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      requestId = "$context.requestId"
      route     = "$context.routeKey"
      status    = "$context.status"
      bytes     = "$context.responseLength"
      ms        = "$context.responseLatency"
    })
  }
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/apigateway/${var.prefix}-ingest"
  retention_in_days = 30
  kms_key_id        = aws_kms_key.main.arn
}

resource "aws_lambda_permission" "ingest" {
  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  function_name = module.ingest.name
  qualifier     = "live"
  source_arn    = "${aws_apigatewayv2_api.ingest.execution_arn}/*/*"
}
