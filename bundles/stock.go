package bundles

import (
	"context"
	"encoding/json"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// InputJSON is the input that a stock OPA over the same policies is to be given, for
// trustcheck/trust/allow and trustcheck/trust/decision. What a role's own rules would
// compute is in it.
func (b *Bundle) InputJSON(ctx context.Context, role *Role, in Input) ([]byte, error) {
	input, err := b.input(role, in)
	if err != nil {
		return nil, err
	}
	if err := b.evaluated(ctx, role, input, topdown.NewCancel()); err != nil {
		return nil, err
	}
	plain, err := ast.JSON(input)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

// Prepared is the prepared role as JSON: what is stored below data.trustcheck.ways, so that
// an OPA is asked by the role's name.
func (r *Role) Prepared() ([]byte, error) {
	plain, err := ast.JSON(r.prepared)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}
