package carrier

import (
	"path/filepath"
	"strconv"
	"strings"
)

// open makes documents of one value: it opens the envelope that a command line, an
// API or a template puts around them. bare is the kind of what has none.
func (r *reading) open(n *node, bare, address string) {
	switch {
	case n.has("Resources") && isCloudFormation(n):
		r.cloudFormation(n)
	case isARM(n):
		r.arm(n)
	case n.get("apiVersion").text() != "" && n.get("kind").text() != "":
		r.kubernetes(n, address)
	case isVaultRead(n):
		name := ""
		if address == "" {
			name = stem(n.file)
		}
		r.add(n.get("data"), KindVaultRead, name, address)
	case r.openAWS(n, address), r.openGoogle(n, address), r.openAzure(n, address), r.openPulumi(n):
	default:
		r.add(n, bare, "", address)
	}
}

// stem is a file's name without its folders and endings.
func stem(file string) string {
	base, _, _ := strings.Cut(filepath.Base(file), ".")
	return base
}

// isVaultRead recognises what `vault read -format=json` and the API answer: the
// role or configuration in data, with the lease around it. OpenBao's is the same.
func isVaultRead(n *node) bool {
	return n.get("data").isObject() && (n.has("request_id") || n.has("lease_id"))
}

// kubernetes opens lists; a resource keeps its own shape.
func (r *reading) kubernetes(n *node, address string) {
	kind := n.get("kind").text()
	if items := n.get("items").items(); strings.HasSuffix(kind, "List") && items != nil {
		for i, item := range items {
			inner := address + "/items/" + strconv.Itoa(i)
			if item.has("apiVersion", "kind") {
				r.kubernetes(item, inner)
				continue
			}
			// A typed list's items leave out what the list says.
			r.add(item, n.get("apiVersion").text()+"/"+strings.TrimSuffix(kind, "List"), item.at("metadata", "name").text(), inner)
		}
		return
	}
	r.add(n, n.get("apiVersion").text()+"/"+kind, n.at("metadata", "name").text(), address)
}

// openAWS opens the answers of IAM and what AWS Config and CloudTrail keep of a
// role. Policy documents are JSON text there, percent-encoded by the API.
func (r *reading) openAWS(n *node, address string) bool {
	for _, m := range n.members() {
		if list := m.value.items(); isAWSList(m.name) && list != nil {
			for i, item := range list {
				r.open(item, KindYAML, address+"/"+m.name+"/"+strconv.Itoa(i))
			}
			return true
		}
	}
	switch {
	case n.get("Role").has("AssumeRolePolicyDocument"):
		r.awsRole(n.get("Role"), address+"/Role")
	case n.has("AssumeRolePolicyDocument"):
		r.awsRole(n, address)
	case n.has("Url", "ClientIDList"):
		name := n.get("Arn").text()
		if name == "" {
			name = n.get("Url").text()
		}
		r.add(n, KindAWSProvider, name, address)
	case n.get("configuration").has("assumeRolePolicyDocument"):
		r.awsLowerRole(n.get("configuration"), "roleName", "assumeRolePolicyDocument", address)
	case n.get("eventName").text() == "CreateRole" && n.get("requestParameters").has("assumeRolePolicyDocument"):
		r.awsLowerRole(n.get("requestParameters"), "roleName", "assumeRolePolicyDocument", address)
	case n.get("eventName").text() == "UpdateAssumeRolePolicy" && n.get("requestParameters").has("policyDocument"):
		r.awsLowerRole(n.get("requestParameters"), "roleName", "policyDocument", address)
	default:
		return false
	}
	return true
}

func (r *reading) awsRole(n *node, address string) {
	n, warnings := openMembers(n, "AssumeRolePolicyDocument")
	r.add(n, KindAWSRole, n.get("RoleName").text(), address, warnings...)
}

// awsLowerRole writes a role of AWS Config or CloudTrail with the names that IAM
// itself uses.
func (r *reading) awsLowerRole(n *node, name, policy, address string) {
	role := &object{}
	for _, pair := range [][2]string{{name, "RoleName"}, {"arn", "Arn"}, {policy, "AssumeRolePolicyDocument"}} {
		if m := n.find(pair[0]); m != nil {
			role.members = append(role.members, member{pair[1], m.place, m.value})
		}
	}
	r.awsRole(&node{n.place, role}, address)
}

// isAWSList names the members that hold roles in the answers of `aws iam
// list-roles` and `get-account-authorization-details`, and events of CloudTrail.
func isAWSList(name string) bool {
	return name == "Roles" || name == "RoleDetailList" || name == "Records"
}

func hasAWSList(members []spanMember) bool {
	for _, m := range members {
		if isAWSList(m.name) && m.value.first() == '[' {
			return true
		}
	}
	return false
}

// jsonAWSList reads such a list item by item, for they are long.
func (r *reading) jsonAWSList(members []spanMember) {
	for _, m := range members {
		if !isAWSList(m.name) || m.value.first() != '[' {
			continue
		}
		items, err := m.value.list()
		r.fail(err)
		for i, item := range items {
			r.jsonItem(item, "/"+m.name+"/"+strconv.Itoa(i))
		}
	}
}

// openGoogle opens lists of providers and names a provider by its resource name.
func (r *reading) openGoogle(n *node, address string) bool {
	if list := n.get("workloadIdentityPoolProviders").items(); list != nil {
		for i, item := range list {
			r.add(item, KindGoogleProvider, lastSegment(item.get("name").text()), address+"/workloadIdentityPoolProviders/"+strconv.Itoa(i))
		}
		return true
	}
	name := n.get("name").text()
	if !strings.Contains(name, "/workloadIdentityPools/") || !strings.Contains(name, "/providers/") {
		return false
	}
	r.add(n, KindGoogleProvider, lastSegment(name), address)
	return true
}

func lastSegment(path string) string {
	return path[strings.LastIndexByte(path, '/')+1:]
}

// openAzure opens the lists of Microsoft Graph and ARM (`value`) and ARM's
// envelope around one credential (`properties`).
func (r *reading) openAzure(n *node, address string) bool {
	if list := n.get("value").items(); len(list) > 0 && isAzureCredential(list[0]) {
		for i, item := range list {
			r.open(item, KindJSON, address+"/value/"+strconv.Itoa(i))
		}
		return true
	}
	if !isAzureCredential(n) {
		return false
	}
	credential := n
	if inner := n.get("properties"); inner.isObject() {
		credential = inner
		if m := n.find("name"); m != nil {
			credential = credential.with("name", m.value)
		}
	}
	r.add(credential, KindAzureCredential, lastSegment(n.get("name").text()), address)
	return true
}

// isAzureCredential recognises a federated identity credential, flat (Graph, the
// az command) or in ARM's envelope.
func isAzureCredential(n *node) bool {
	if inner := n.get("properties"); inner.isObject() && strings.HasSuffix(strings.ToLower(n.get("type").text()), "/federatedidentitycredentials") {
		return true
	}
	return n.has("issuer", "audiences") && (n.has("subject") || n.has("claimsMatchingExpression"))
}

// openPulumi opens `pulumi stack export`. Its resources are bridged from
// Terraform's providers and keep their property names, in camel case.
func (r *reading) openPulumi(n *node) bool {
	resources := n.at("deployment", "resources").items()
	if resources == nil {
		return false
	}
	for _, resource := range resources {
		kind := resource.get("type").text()
		outputs := resource.get("outputs")
		if !isPulumiKind(kind) || !outputs.isObject() {
			continue
		}
		outputs, warnings := openMembers(outputs, "assumeRolePolicy", "policyData")
		urn := resource.get("urn").text()
		r.add(outputs, kind, urn[strings.LastIndex(urn, ":")+1:], urn, warnings...)
	}
	return true
}

func isPulumiKind(kind string) bool {
	switch kind {
	case "aws:iam/role:Role", "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
		"vault:jwt/authBackendRole:AuthBackendRole", "vault:jwt/authBackend:AuthBackend",
		"gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
		"gcp:serviceaccount/iAMMember:IAMMember", "gcp:serviceaccount/iAMBinding:IAMBinding",
		"azuread:index/applicationFederatedIdentityCredential:ApplicationFederatedIdentityCredential",
		"azuread:index/applicationFlexibleFederatedIdentityCredential:ApplicationFlexibleFederatedIdentityCredential":
		return true
	}
	return false
}

// openMembers opens the JSON text in the named members of n; one that holds none
// stays as it is, with a warning.
func openMembers(n *node, names ...string) (*node, []string) {
	var warnings []string
	for _, name := range names {
		m := n.find(name)
		if m == nil {
			continue
		}
		inner, err := opened(m.value)
		if err != nil {
			warnings = append(warnings, name+": "+err.Error())
		}
		n = n.with(name, inner)
	}
	return n, warnings
}
