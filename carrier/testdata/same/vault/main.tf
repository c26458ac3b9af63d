locals {
  group = "acme"
}

variable "policies" {
  type    = list(string)
  default = ["deploy"]
}

resource "vault_jwt_auth_backend_role" "deploy" {
  backend           = "jwt"
  role_name         = "deploy"
  role_type         = "jwt"
  user_claim        = "sub"
  bound_audiences   = ["https://vault.example.com"]
  bound_claims_type = "glob"
  bound_claims = {
    project_path = "${local.group}/app"
    ref          = join(",", ["main", "release/*"])
  }
  token_policies = var.policies
  token_ttl      = 15 * 60
}
