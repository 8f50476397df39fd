# What AWS would compute, where others build on it.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

# Each zone is made up, and so another one.
mock_data "aws_subnet" {
  defaults = { vpc_id = "vpc-0a" }
}
