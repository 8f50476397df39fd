# Who reaches whom: functions reach brokers, and both reach what is outside.

data "aws_subnet" "given" {
  for_each = toset(var.subnet_ids)
  id       = each.key
}

locals {
  _vpc = data.aws_subnet.given[var.subnet_ids[0]].vpc_id
}

resource "aws_security_group" "functions" {
  name        = "${var.prefix}-functions"
  description = "Functions that speak with Kafka"
  vpc_id      = local._vpc
}

resource "aws_security_group" "kafka" {
  name        = "${var.prefix}-kafka"
  description = "Brokers, and what polls them for process"
  vpc_id      = local._vpc
}

# Google's warehouse and the cloud's own services are outside.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each          = { functions = aws_security_group.functions.id, kafka = aws_security_group.kafka.id }
  security_group_id = each.value
  description       = "HTTPS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "kafka" {
  for_each                     = { functions = aws_security_group.functions.id, kafka = aws_security_group.kafka.id }
  security_group_id            = each.value
  description                  = "Kafka"
  referenced_security_group_id = aws_security_group.kafka.id
  ip_protocol                  = "tcp"
  from_port                    = 9096
  to_port                      = 9096
}

resource "aws_vpc_security_group_ingress_rule" "kafka" {
  for_each                     = { functions = aws_security_group.functions.id, kafka = aws_security_group.kafka.id }
  security_group_id            = aws_security_group.kafka.id
  description                  = "Kafka, from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 9096
  to_port                      = 9096
}
