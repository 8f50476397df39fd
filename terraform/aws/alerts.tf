# Alarms, rendered from the data that Prometheus and Cloud Monitoring take too. Where AWS measures the
# thing itself, on its metric; otherwise in metric math, on what the functions tell in their logs.

locals {
  alerts = yamldecode(file("${path.module}/../alerts/alerts.yaml")).alerts

  _native = { for name, alert in local.alerts : name => alert.cloudwatch if can(alert.cloudwatch.metric) }
  _told   = { for name, alert in local.alerts : name => alert.cloudwatch if can(alert.cloudwatch.expression) }
  _called = { for name, alert in local.alerts : name => alert.cloudwatch.called if can(alert.cloudwatch.called) }
}

resource "aws_sns_topic" "alerts" {
  name              = "${var.prefix}-alerts"
  kms_master_key_id = aws_kms_key.main.arn
}

resource "aws_sns_topic_subscription" "email" {
  for_each  = toset(var.alert_emails)
  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_cloudwatch_metric_alarm" "native" {
  for_each           = local._native
  alarm_name         = "${var.prefix}-${each.key}"
  alarm_description  = "${upper(local.alerts[each.key].severity)}: ${local.alerts[each.key].summary}. Runbook: terraform/runbooks/${each.key}.md"
  alarm_actions      = [aws_sns_topic.alerts.arn]
  ok_actions         = [aws_sns_topic.alerts.arn]
  treat_missing_data = "notBreaching"

  namespace   = each.value.namespace
  metric_name = each.value.metric
  statistic   = each.value.statistic
  dimensions = {
    for dimension, value in each.value.dimensions :
    dimension => replace(replace(value, "{prefix}", var.prefix), "{api}", aws_apigatewayv2_api.ingest.id)
  }

  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  period              = 60
  evaluation_periods  = max(1, local.alerts[each.key].for_minutes)
}

resource "aws_cloudwatch_metric_alarm" "told" {
  for_each           = local._told
  alarm_name         = "${var.prefix}-${each.key}"
  alarm_description  = "${upper(local.alerts[each.key].severity)}: ${local.alerts[each.key].summary}. Runbook: terraform/runbooks/${each.key}.md"
  alarm_actions      = [aws_sns_topic.alerts.arn]
  ok_actions         = [aws_sns_topic.alerts.arn]
  treat_missing_data = lookup(each.value, "missing", "notBreaching")

  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  evaluation_periods  = max(1, floor(local.alerts[each.key].for_minutes / lookup(each.value, "period_minutes", 1)))

  metric_query {
    id          = "alarm"
    expression  = each.value.expression
    label       = local.alerts[each.key].summary
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.metrics

    content {
      id = metric_query.key

      metric {
        namespace   = lookup(metric_query.value, "namespace", "Questline")
        metric_name = metric_query.value.metric
        stat        = metric_query.value.statistic
        period      = lookup(each.value, "period_minutes", 1) * 60
        dimensions = {
          for dimension, value in lookup(metric_query.value, "dimensions", {}) :
          dimension => replace(value, "{prefix}", var.prefix)
        }
      }
    }
  }
}

# A schedule that is gone or may not call: the function tells nothing, and Lambda counts no call.
resource "aws_cloudwatch_metric_alarm" "called" {
  for_each           = local._called
  alarm_name         = "${var.prefix}-${each.key}-not-called"
  alarm_description  = "${upper(local.alerts[each.key].severity)}: ${each.value.function} was not called for ${each.value.within_minutes} minutes. Runbook: terraform/runbooks/${each.key}.md"
  alarm_actions      = [aws_sns_topic.alerts.arn]
  ok_actions         = [aws_sns_topic.alerts.arn]
  treat_missing_data = "breaching"

  namespace   = "AWS/Lambda"
  metric_name = "Invocations"
  statistic   = "Sum"
  dimensions  = { FunctionName = "${var.prefix}-${each.value.function}" }

  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = each.value.within_minutes * 60
  evaluation_periods  = 1
}
