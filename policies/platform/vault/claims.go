package vault

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// claimsInput adds what a JSON value cannot say about claims as Go reads them:
//
//   - numbers: by spelling, the decimal text of int64(float64(n)) for every number that
//     is not a plain integer of at most 15 digits; null where float64 cannot hold it;
//   - folded: by registered name, the values of all claims whose names fold to it, in
//     the order in which encoding/json lets the last one win, where there are such twins;
//   - remote_address: the caller's address as a network, without its port.
//
// An empty `numbers` says that every number is plain; the others are left out where they
// would be empty.
func claimsInput(claims ast.Object, context map[string]any) [][2]*ast.Term {
	var input [][2]*ast.Term
	numbers := ast.NewObject()
	collectNumbers(claims, numbers)
	input = append(input, ast.Item(ast.StringTerm("numbers"), ast.NewTerm(numbers)))
	if folded := twins(claims); folded.Len() > 0 {
		input = append(input, ast.Item(ast.StringTerm("folded"), ast.NewTerm(folded)))
	}
	if remote, ok := context["remote_addr"].(string); ok {
		if address := callerAddress(remote); address != "" {
			input = append(input, ast.Item(ast.StringTerm("remote_address"), ast.StringTerm(address)))
		}
	}
	return input
}

var plainInteger = regexp.MustCompile(`\A(0|-?[1-9][0-9]{0,14})\z`)

func collectNumbers(value ast.Value, numbers ast.Object) {
	switch value := value.(type) {
	case ast.Number:
		spelling := string(value)
		if !plainInteger.MatchString(spelling) {
			numbers.Insert(ast.StringTerm(spelling), truncated(spelling))
		}
	case *ast.Array:
		value.Foreach(func(element *ast.Term) { collectNumbers(element.Value, numbers) })
	case ast.Object:
		value.Foreach(func(_, member *ast.Term) { collectNumbers(member.Value, numbers) })
	}
}

// truncated gives the text of int(float64(n)) as amd64 computes it: what lies outside
// int64 becomes its minimum.
func truncated(spelling string) *ast.Term {
	float, err := strconv.ParseFloat(spelling, 64)
	if err != nil {
		return ast.NullTerm()
	}
	if float >= math.MaxInt64 || float < math.MinInt64 {
		return ast.StringTerm(strconv.FormatInt(math.MinInt64, 10))
	}
	return ast.StringTerm(strconv.FormatInt(int64(float), 10))
}

var registered = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// twins finds claims whose name is not a registered one but folds to it, as `SUB` does.
func twins(claims ast.Object) ast.Object {
	byName := map[string][]string{}
	claims.Foreach(func(key, _ *ast.Term) {
		name, ok := key.Value.(ast.String)
		if !ok || len(name) < 3 || len(name) > 9 {
			return
		}
		for _, plain := range registered {
			if strings.EqualFold(string(name), plain) {
				byName[plain] = append(byName[plain], string(name))
			}
		}
	})
	folded := ast.NewObject()
	for plain, names := range byName {
		if len(names) == 1 && names[0] == plain {
			continue
		}
		slices.Sort(names)
		values := make([]*ast.Term, len(names))
		for i, name := range names {
			values[i] = claims.Get(ast.StringTerm(name))
		}
		folded.Insert(ast.StringTerm(plain), ast.ArrayTerm(values...))
	}
	return folded
}
