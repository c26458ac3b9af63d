resource "azuread_application_federated_identity_credential" "main" {
  application_id = "/applications/00000000-0000-0000-0000-000000000001"
  display_name   = "gitlab-main"
  issuer         = "https://gitlab.com"
  subject        = "project_path:acme/app:ref_type:branch:ref:main"
  audiences      = ["api://AzureADTokenExchange"]
}

resource "azurerm_federated_identity_credential" "main" {
  name                      = "gitlab-main"
  user_assigned_identity_id = azurerm_user_assigned_identity.ci.id
  issuer                    = "https://gitlab.com"
  subject                   = "project_path:acme/app:ref_type:branch:ref:main"
  audience                  = ["api://AzureADTokenExchange"]
}
