variable "alert_emails" {
  description = "Who is told when an alarm rings."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "alert_emails holds something that is no address; write [\"someone@example.com\"]."
  }
}

variable "deletion_protection" {
  description = "Whether tables may only be removed on purpose, and secrets are kept 30 days more. Set it to false, apply, then destroy."
  type        = bool
  default     = true
}

variable "geo_layer" {
  description = "Version of a layer of Lambda whose geo.mmdb is a MaxMind-format database; without one geography stays NULL."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(arn:aws:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+)?$", var.geo_layer))
    error_message = "geo_layer is no version of a layer; `aws lambda publish-layer-version` tells it as LayerVersionArn, with a number at its end."
  }
}

variable "google" {
  description = "Project and location of the warehouse."
  type        = object({ project = string, location = optional(string, "US") })

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.google.project))
    error_message = "google.project is no project id; `gcloud projects list` shows them in its first column."
  }

  validation {
    condition     = can(regex("^([A-Z]{2,4}|[a-z]+-[a-z]+[0-9]+)$", var.google.location))
    error_message = "google.location is no location of BigQuery: write US, EU, or a region of Google's such as europe-west1 (one of AWS is written otherwise)."
  }
}

variable "kafka" {
  description = "Each of the three brokers: its kind, and GiB of disk."
  type        = object({ instance_type = string, volume_gib = number })
  default     = { instance_type = "kafka.m7g.large", volume_gib = 500 }

  validation {
    condition     = startswith(var.kafka.instance_type, "kafka.") && var.kafka.volume_gib >= 10 && var.kafka.volume_gib <= 16384
    error_message = "kafka needs an instance_type such as kafka.m7g.large, and 10 to 16384 volume_gib."
  }
}

variable "kafka_password" {
  description = "Password of Kafka's user. It is written once for each kafka_password_version, and never kept: TF_VAR_kafka_password=$(openssl rand -hex 24)."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.kafka_password) >= 16
    error_message = "kafka_password is to have 16 characters or more; `openssl rand -hex 24` makes one. Where it was written before, anything so long will do."
  }
}

variable "kafka_password_version" {
  description = "A greater number writes kafka_password anew."
  type        = number
  default     = 1

  validation {
    condition     = var.kafka_password_version >= 1 && floor(var.kafka_password_version) == var.kafka_password_version
    error_message = "kafka_password_version counts from 1: take the number before, plus 1."
  }
}

variable "otlp_endpoint" {
  description = "Where functions send their traces, by OTLP over HTTP; without one they send none."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(https?://[^/\\s]+(/\\S*)?)?$", var.otlp_endpoint))
    error_message = "otlp_endpoint is no address of a collector; write it like http://collector.example:4318."
  }
}

variable "prefix" {
  description = "Begins the name of everything."
  type        = string
  default     = "questline"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}[a-z0-9]$", var.prefix)) && !startswith(var.prefix, "gcp-")
    error_message = "prefix is too long or has other characters: take 3 to 13 of a-z, 0-9 and -, a letter first, and not gcp-, which Google keeps for itself. Names of its service accounts hold no more than 30."
  }
}

variable "region" {
  description = "Where everything runs and lies."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is no region; write it like eu-west-1 (a zone has a letter more)."
  }
}

variable "subnet_ids" {
  description = "Three private subnets, each in a zone of its own, from where the internet can be reached."
  type        = list(string)

  validation {
    condition     = length(distinct(var.subnet_ids)) == 3 && alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids needs three different ids such as subnet-0a1b2c3d: each broker has a zone of its own."
  }
}

variable "throttle" {
  description = "Requests a second that clients may send in all, and how many at once."
  type        = object({ rate = number, burst = number })
  default     = { rate = 2000, burst = 4000 }

  validation {
    condition     = var.throttle.rate >= 1 && var.throttle.burst >= var.throttle.rate
    error_message = "throttle needs a rate of 1 or more, and a burst no smaller than that."
  }
}
