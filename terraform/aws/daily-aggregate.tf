# ④ daily-aggregate: closes the day before. It does what is ready and ends; the schedule calls again.

module "daily_aggregate" {
  source      = "./modules/function"
  name        = "daily-aggregate"
  shared      = local.function
  kms_key_arn = aws_kms_key.main.arn
  timeout     = 900

  # Two runs of one day at a time would only wait for each other.
  concurrency = 1

  env = merge(local.google_env["daily-aggregate"], {
    QUESTLINE_WAREHOUSE     = module.warehouse.dataset
    QUESTLINE_FEATURES      = "gs://${google_storage_bucket.features.name}/features"
    QUESTLINE_METRICS_READY = "sns:${aws_sns_topic.metrics_ready.arn}"
  })
  may = [
    { Effect = "Allow", Action = "sns:Publish", Resource = aws_sns_topic.metrics_ready.arn },
    { Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey*"], Resource = aws_kms_key.main.arn },
  ]
}

# From 02:00 UTC every 5 minutes: a day that is not ready at 03:00 has failed, and what failed is
# tried twice more, 5 minutes apart.
resource "aws_scheduler_schedule" "daily_aggregate" {
  name                         = "${var.prefix}-daily-aggregate"
  description                  = "Closes the day before"
  schedule_expression          = "cron(0/5 2-3 * * ? *)"
  schedule_expression_timezone = "UTC"
  kms_key_arn                  = aws_kms_key.main.arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = module.daily_aggregate.arn
    role_arn = aws_iam_role.scheduler.arn

    retry_policy {
      maximum_retry_attempts       = 2
      maximum_event_age_in_seconds = 300
    }

    dead_letter_config {
      arn = aws_sqs_queue.undelivered.arn
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name = "${var.prefix}-scheduler"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "scheduler" {
  name = "schedules"
  role = aws_iam_role.scheduler.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "lambda:InvokeFunction", Resource = module.daily_aggregate.arn },
      { Effect = "Allow", Action = "sqs:SendMessage", Resource = aws_sqs_queue.undelivered.arn },
      { Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey*"], Resource = aws_kms_key.main.arn },
    ]
  })
}

# Calls and messages that could not be delivered, or were given up.
resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.prefix}-undelivered"
  message_retention_seconds = 1209600
  kms_master_key_id         = aws_kms_key.main.arn
}

resource "aws_sqs_queue_policy" "undelivered" {
  queue_url = aws_sqs_queue.undelivered.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.undelivered.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.metrics_ready.arn } }
    }]
  })
}
