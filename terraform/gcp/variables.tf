variable "alert_emails" {
  description = "Who is told when an alert fires."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "alert_emails holds something that is no address; write [\"someone@example.com\"]."
  }
}

variable "budget" {
  description = "Billing account and monthly amount in its currency; null makes no budget."
  type        = object({ billing_account = string, amount = number })
  default     = null

  validation {
    condition     = var.budget == null || can(regex("^[0-9A-F]{6}(-[0-9A-F]{6}){2}$", var.budget.billing_account))
    error_message = "budget.billing_account is no billing account; `gcloud billing accounts list` shows them as 012345-6789AB-CDEF01."
  }

  validation {
    condition     = var.budget == null || try(var.budget.amount >= 1 && floor(var.budget.amount) == var.budget.amount, false)
    error_message = "budget.amount is no whole number of 1 or more: Google takes no parts of it here."
  }
}

variable "deletion_protection" {
  description = "Whether log and tables may only be removed on purpose. Set it to false, apply, then destroy."
  type        = bool
  default     = true
}

variable "enriched_subscribers" {
  description = "Other teams that get enriched events: a subscription for each name."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.enriched_subscribers : can(regex("^[a-z][a-z0-9-]{2,39}$", name))])
    error_message = "A name in enriched_subscribers cannot be used; take 3 to 40 of a-z, 0-9 and -, a letter first."
  }
}

variable "geo_database" {
  description = "Object in the bucket of lookups that is a MaxMind-format database; without one geography stays NULL."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9._-][A-Za-z0-9./_-]*)?$", var.geo_database))
    error_message = "geo_database is an object's name within the bucket of lookups, such as country.mmdb: no gs://, and no / before it."
  }
}

variable "images" {
  description = "First image of a function, by its name. What is not named starts with a public sample; scripts/deploy rolls out the others."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.images) : contains(["ingest", "process", "dlq-reprocess", "daily-aggregate", "ml-trigger", "dashboard"], name)])
    error_message = "images names a function that is not there; it may name ingest, process, dlq-reprocess, daily-aggregate, ml-trigger and dashboard."
  }
}

variable "kafka" {
  description = "Size of the Kafka cluster: vCPUs in all, and GiB of memory."
  type        = object({ vcpus = number, memory_gib = number })
  default     = { vcpus = 3, memory_gib = 12 }

  validation {
    condition     = var.kafka.vcpus >= 3 && var.kafka.memory_gib >= var.kafka.vcpus && var.kafka.memory_gib <= 8 * var.kafka.vcpus
    error_message = "kafka needs at least 3 vcpus, and 1 to 8 memory_gib for each of them."
  }
}

variable "log_id" {
  description = "Id of the log, known once the topics are there: outputs.next_steps tells how to read it. Until it is set nothing is archived."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{0,128}$", var.log_id))
    error_message = "log_id becomes part of a path: take it as the ledger shows it, letters, digits, and . _ - only."
  }
}

variable "operators" {
  description = "Who may reprocess dead letters and start a daily run by hand, as the operator's account: IAM members."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^(user|group|serviceAccount):", member))])
    error_message = "operators holds no IAM member; write user:, group: or serviceAccount: before the address. allUsers is not accepted."
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
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}[a-z0-9]$", var.prefix))
    error_message = "prefix is too long or has other characters: take 3 to 13 of a-z, 0-9 and -, a letter first. Names of service accounts hold no more than 30."
  }
}

variable "process_instances" {
  description = "How few and how many instances process; between them the lag decides."
  type        = object({ min = number, max = number })
  default     = { min = 1, max = 16 }

  validation {
    condition     = var.process_instances.min >= 1 && var.process_instances.min <= var.process_instances.max && var.process_instances.max <= 64
    error_message = "process_instances needs 1 <= min <= max <= 64: the raw topic has 64 partitions, and more instances than those find no work."
  }
}

variable "project" {
  description = "Id of the Google Cloud project."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project is no project id; `gcloud projects list` shows them in its first column, not the names and not the numbers."
  }
}

variable "region" {
  description = "Where everything runs and lies."
  type        = string
  default     = "us-central1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is no region; `gcloud run regions list` shows them, like europe-west1 (a zone has a letter more)."
  }
}

variable "viewers" {
  description = "Who may look at the dashboard, as IAM members."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.viewers : can(regex("^(user|group|domain|serviceAccount):", member))])
    error_message = "viewers holds no IAM member; write user:, group: or domain: before the address. allUsers is not accepted: the dashboard is not public."
  }
}
