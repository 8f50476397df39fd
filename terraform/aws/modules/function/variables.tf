variable "concurrency" {
  description = "How many run at a time; -1: as many as the account allows."
  type        = number
  default     = -1
}

variable "env" {
  description = "Environment variables; none is a secret."
  type        = map(string)
  default     = {}
}

variable "kms_key_arn" {
  description = "The key that encrypts."
  type        = string
}

variable "layers" {
  description = "Versions of layers, whose files lie under /opt."
  type        = list(string)
  default     = []
}

variable "may" {
  description = "What it may do, as statements of a policy."
  type        = any
  default     = []
}

variable "memory" {
  description = "MB of memory; the share of a CPU grows with it."
  type        = number
  default     = 512
}

variable "name" {
  description = "The function, in the words of functions/."
  type        = string
}

variable "network" {
  description = "From where it reaches Kafka; null if it does not."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string) })
  default     = null
}

variable "shared" {
  description = "What all functions share: prefix, region, account, where the first build lies, and variables."
  type        = object({ prefix = string, region = string, account = string, artefacts = string, first = string, env = map(string) })
}

variable "timeout" {
  description = "Seconds that one call may take."
  type        = number
  default     = 30
}
