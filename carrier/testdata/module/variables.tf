variable "account" {
  description = "No default: known only where someone applies this."
  type        = string
}

variable "environment" {
  type    = string
  default = "staging"
}

variable "projects" {
  type = map(object({
    subject = string
    ref     = optional(string, "main")
  }))
}
