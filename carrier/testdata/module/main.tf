resource "aws_iam_openid_connect_provider" "gitlab" {
  url            = "https://gitlab.example.com"
  client_id_list = ["https://gitlab.example.com"]
}

locals {
  host = trimprefix(aws_iam_openid_connect_provider.gitlab.url, "https://")
}

# One role for each project, from a template beside this file.
resource "aws_iam_role" "project" {
  for_each = var.projects
  name     = "ci-${each.key}"
  assume_role_policy = templatefile("${path.module}/trust.json.tftpl", {
    provider = aws_iam_openid_connect_provider.gitlab.arn
    host     = local.host
    subject  = "project_path:${each.value.subject}:ref_type:branch:ref:${each.value.ref}"
  })
}

# What is not known stays in its place, and only that.
resource "aws_iam_role" "partly" {
  count = var.environment == "production" ? 1 : 0
  name  = "partly-${terraform.workspace}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = "arn:aws:iam::${var.account}:oidc-provider/${local.host}" }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = { "${local.host}:aud" = "https://gitlab.example.com" }
        StringLike   = { "${local.host}:sub" = var.account == "1" ? "*" : "project_path:acme/*" }
      }
    }]
  })
}

# How many of these there are is not known, nor what they are called.
resource "vault_jwt_auth_backend_role" "many" {
  for_each  = toset(split(",", var.account))
  role_name = each.key
  user_claim = "sub"
}

resource "google_iam_workload_identity_pool" "ci" {
  workload_identity_pool_id = "ci"
}

resource "google_service_account_iam_member" "ci" {
  service_account_id = google_service_account.deploy.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.ci.name}/attribute.project_id/42"
}
