# What AWS would compute, where others build on it.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}
