resource "google_iam_workload_identity_pool" "ci" {
  project                   = "123456789012"
  workload_identity_pool_id = "ci"
}

resource "google_iam_workload_identity_pool_provider" "gitlab" {
  project                            = google_iam_workload_identity_pool.ci.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.ci.workload_identity_pool_id
  workload_identity_pool_provider_id = "gitlab"
  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.project_id" = "assertion.project_id"
  }
  attribute_condition = "assertion.namespace_id == '72'"
  oidc {
    issuer_uri        = "https://gitlab.com"
    allowed_audiences = ["https://gitlab.com"]
  }
}
