//go:build deps

package trustcheck

import (
	_ "cel.dev/cel-go/cel"
	_ "github.com/coreos/go-oidc/v3/oidc"
	_ "github.com/go-jose/go-jose/v4"
	_ "github.com/hashicorp/hcl/v2"
	_ "github.com/open-policy-agent/opa/v1/rego"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/santhosh-tekuri/jsonschema/v5"
	_ "github.com/spf13/cobra"
	_ "github.com/zclconf/go-cty/cty"
	_ "golang.org/x/net/http/httpproxy"
	_ "golang.org/x/sync/singleflight"
	_ "gopkg.in/yaml.v3"
)
