# ⑤ ml-trigger: one training job a week on Vertex AI, when the metrics are ready.

module "ml_trigger" {
  source      = "./modules/function"
  name        = "ml-trigger"
  shared      = local.function
  kms_key_arn = aws_kms_key.main.arn
  timeout     = 120

  env = merge(local.google_env["ml-trigger"], {
    QUESTLINE_WAREHOUSE        = module.warehouse.dataset
    QUESTLINE_FEATURES         = "gs://${google_storage_bucket.features.name}/features"
    QUESTLINE_TRAINING         = "vertex:projects/${var.google.project}/locations/${local.training_region}"
    QUESTLINE_TRAINING_ACCOUNT = google_service_account.training.email
    QUESTLINE_TRAINING_ROOT    = "gs://${google_storage_bucket.features.name}/training"
  })

  # In its name Lambda keeps what it gave up.
  may = [
    { Effect = "Allow", Action = "sqs:SendMessage", Resource = aws_sqs_queue.undelivered.arn },
    { Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey*"], Resource = aws_kms_key.main.arn },
  ]
}

# To SNS and to schedules a call is delivered once Lambda has taken it. Lambda tries three times within
# minutes; without a destination it would forget the message then, and a week's training with it.
resource "aws_lambda_function_event_invoke_config" "ml_trigger" {
  function_name                = module.ml_trigger.name
  qualifier                    = "live"
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 21600

  destination_config {
    on_failure {
      destination = aws_sqs_queue.undelivered.arn
    }
  }

  depends_on = [module.ml_trigger]
}

resource "aws_sns_topic" "metrics_ready" {
  name              = "${var.prefix}-metrics-ready"
  kms_master_key_id = aws_kms_key.main.arn
}

resource "aws_sns_topic_subscription" "ml_trigger" {
  topic_arn      = aws_sns_topic.metrics_ready.arn
  protocol       = "lambda"
  endpoint       = module.ml_trigger.arn
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.undelivered.arn })
}

resource "aws_lambda_permission" "ml_trigger" {
  statement_id  = "metrics-ready"
  action        = "lambda:InvokeFunction"
  principal     = "sns.amazonaws.com"
  function_name = module.ml_trigger.name
  qualifier     = "live"
  source_arn    = aws_sns_topic.metrics_ready.arn
}

# A job takes an hour, and no call waits for it: how it stands is asked now and then.
resource "aws_scheduler_schedule" "ml_trigger" {
  name                         = "${var.prefix}-ml-trigger"
  description                  = "Follows the training jobs under way"
  schedule_expression          = "cron(0/15 * * * ? *)"
  schedule_expression_timezone = "UTC"
  kms_key_arn                  = aws_kms_key.main.arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = module.ml_trigger.arn
    role_arn = aws_iam_role.scheduler.arn
    # As EventBridge itself says it.
    input = jsonencode({ detail-type = "Scheduled Event", source = "questline", detail = {} })

    # The next one comes soon.
    retry_policy {
      maximum_retry_attempts       = 1
      maximum_event_age_in_seconds = 300
    }

    dead_letter_config {
      arn = aws_sqs_queue.undelivered.arn
    }
  }
}

resource "aws_iam_role_policy" "follow" {
  name = "follow"
  role = aws_iam_role.scheduler.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "lambda:InvokeFunction", Resource = module.ml_trigger.arn }]
  })
}
