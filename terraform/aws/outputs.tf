output "artefacts" {
  description = "Where builds are put."
  value       = aws_s3_bucket.artefacts.bucket
}

output "dashboard_uri" {
  description = "The dashboard, for those with the viewers' policy; requests are signed."
  value       = aws_lambda_function_url.dashboard.function_url
}

output "ingest_uri" {
  description = "Where clients send events."
  value       = aws_apigatewayv2_api.ingest.api_endpoint
}

output "kafka" {
  description = "Where the log is, as QUESTLINE_LOG names it."
  value       = local.kafka_env.QUESTLINE_LOG
}

output "next_steps" {
  description = "What to do now, in order."
  value = compact([
    "Add write keys: aws secretsmanager put-secret-value --secret-id ${aws_secretsmanager_secret.keys.name} --secret-string file://keys.json",
    "Deploy each function: scripts/deploy FUNCTION --platform aws",
    var.geo_layer != "" ? "" : "Publish a layer that holds a MaxMind-format database as geo.mmdb, and set geo_layer to its ARN: until then geography stays NULL.",
    length(var.alert_emails) > 0 ? "Confirm the mails that ask whether alarms may be sent." : "Set alert_emails: alarms reach nobody.",
  ])
}

output "operators_policy" {
  description = "The policy of those who reprocess dead letters and start runs by hand."
  value       = aws_iam_policy.operators.arn
}

output "tables" {
  description = "The dataset, as QUESTLINE_WAREHOUSE names it."
  value       = module.warehouse.dataset
}

output "viewers_policy" {
  description = "The policy of those who look at the dashboard."
  value       = aws_iam_policy.viewers.arn
}
