variable "account" {
  type    = string
  default = "123456789012"
}

resource "aws_iam_role" "ci" {
  for_each = toset(["ci"])
  name     = each.value
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = "arn:aws:iam::${var.account}:oidc-provider/gitlab.com" }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = { "gitlab.com:aud" = "https://gitlab.com" }
        StringLike = {
          "gitlab.com:sub" = [for ref in ["branch:ref:main", "tag:ref:v*"] : "project_path:acme/app:ref_type:${ref}"]
        }
      }
    }]
  })
}
