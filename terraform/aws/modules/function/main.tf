# One function on Lambda, working under a role of its own. Whoever calls it calls the alias `live`:
# scripts/deploy moves that from version to version, and back.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

locals {
  _name = "${var.shared.prefix}-${var.name}"

  _may_log = {
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = "${aws_cloudwatch_log_group.function.arn}:*"
  }
  # Interfaces of a network are no one's until they are made: AWS knows no narrower right.
  _may_join_network = {
    Effect = "Allow"
    Action = [
      "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups", "ec2:DescribeVpcs",
    ]
    Resource = "*"
  }
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${local._name}"
  retention_in_days = 30
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "function" {
  name = local._name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  #checkov:skip=CKV_AWS_355:Only interfaces of the network, see above
  #checkov:skip=CKV_AWS_290:Only interfaces of the network, see above
  name = "function"
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [local._may_log],
      var.network == null ? [] : [local._may_join_network],
      var.may,
    )
  })
}

resource "aws_lambda_function" "function" {
  function_name = local._name
  role          = aws_iam_role.function.arn
  runtime       = "provided.al2023"
  architectures = ["arm64"]
  handler       = "bootstrap"
  s3_bucket     = var.shared.artefacts
  s3_key        = var.shared.first
  memory_size   = var.memory
  timeout       = var.timeout
  kms_key_arn   = var.kms_key_arn
  publish       = true
  layers        = var.layers

  reserved_concurrent_executions = var.concurrency

  environment {
    # Its program is called bootstrap, as every one is here; traces name the function.
    variables = merge({ OTEL_SERVICE_NAME = "questline-${var.name}" }, var.shared.env, var.env)
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.function.name
  }

  dynamic "vpc_config" {
    for_each = var.network == null ? [] : [var.network]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  lifecycle {
    # scripts/deploy rolls out builds.
    ignore_changes = [s3_key, s3_object_version, source_code_hash]
  }

  depends_on = [aws_iam_role_policy.function]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "What takes traffic"
  function_name    = aws_lambda_function.function.function_name
  function_version = aws_lambda_function.function.version

  lifecycle {
    ignore_changes = [function_version, routing_config]
  }
}
