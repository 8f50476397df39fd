variable "callers" {
  description = "Service accounts that may call it, by their addresses, each under a name of its own. It looks at their tokens itself, too."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(var.callers) == 0 || length(var.invokers) == 0
    error_message = "callers and invokers are both set: the function would refuse whom IAM lets in."
  }
}

variable "concurrency" {
  description = "Requests that one instance answers at a time."
  type        = number
  default     = 80
}

variable "cpu" {
  description = "vCPUs of one instance."
  type        = string
  default     = "1"
}

variable "cpu_idle" {
  description = "Whether an instance sleeps between requests, and then costs little."
  type        = bool
  default     = true
}

variable "env" {
  description = "Environment variables."
  type        = map(string)
  default     = {}
}

variable "image" {
  description = "The first image."
  type        = string
}

variable "ingress" {
  description = "From where requests may come at all."
  type        = string
  default     = "INGRESS_TRAFFIC_ALL"
}

variable "instances" {
  description = "How few and how many instances."
  type        = object({ min = number, max = number })
  default     = { min = 0, max = 1 }
}

variable "invokers" {
  description = "Who may call it, by IAM alone: IAM members, each under a name of its own."
  type        = map(string)
  default     = {}
}

variable "memory" {
  description = "Memory of one instance."
  type        = string
  default     = "512Mi"
}

variable "metrics_image" {
  description = "The sidecar that hands the metrics to Cloud Monitoring; null where there is no /metrics."
  type        = string
  default     = null

  validation {
    condition     = var.metrics_image == null || !var.cpu_idle
    error_message = "metrics_image needs cpu_idle = false: a sidecar that sleeps between requests reads nothing."
  }
}

variable "name" {
  description = "The function, in the words of functions/."
  type        = string
}

variable "prefix" {
  description = "Begins the name."
  type        = string
}

variable "project" {
  description = "The project."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "secrets" {
  description = "Environment variables whose value is a secret: the secret's id by the variable's name."
  type        = map(string)
  default     = {}
}

variable "shared_env" {
  description = "Environment variables that all functions have."
  type        = map(string)
}

variable "subnetwork" {
  description = "The subnetwork from which it reaches Kafka; null if it does not."
  type        = string
  default     = null
}

variable "timeout" {
  description = "How long a request may take."
  type        = string
  default     = "60s"
}
