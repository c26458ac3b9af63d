package issuer

import (
	"strings"
	"testing"
)

func TestModelHangsTogether(t *testing.T) {
	for _, name := range Models() {
		if _, err := ModelOf(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModelKnowsEveryClaimOfTheSchema(t *testing.T) {
	for _, name := range Models() {
		model, err := ModelOf(name)
		if err != nil {
			t.Fatal(err)
		}
		properties, ok := at(schemaOf(name).text, "$defs/claims/properties").(map[string]any)
		if !ok {
			t.Fatalf("%s: no claims in the schema", name)
		}
		for claim := range properties {
			if _, ok := model.Claims[claim]; !ok {
				t.Errorf("%s: the schema has %s, the model does not: a condition on it would count as dead", name, claim)
			}
		}
	}
}

func TestModelRefusesWhatDangles(t *testing.T) {
	text := string(gitlabModelText)
	for wrong, change := range map[string][2]string{
		`no field "nobody"`:     {`"text": "{namespace}"`, `"text": "{nobody}"`},
		`no source "hearsay"`:   {`"sources": ["refs"]`, `"sources": ["hearsay"]`},
		"outside its domain":    {`"plain": ["x", "app"]`, `"plain": ["a/b"]`},
		"missing properties":    {`"as_of"`, `"as_off"`},
		"error parsing regexp":  {`"domain": "true|false"`, `"domain": "true|(false"`},
		"invalid character '}'": {`"issuers": ["https://gitlab.com"],`, `"issuers": },`},
	} {
		_, err := ReadModel("model.json", []byte(strings.Replace(text, change[0], change[1], 1)))
		if err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: got %v", wrong, err)
		}
	}
}

func TestReleasesCompareAsNumbers(t *testing.T) {
	if Within("18.10", "", "18.9") || !Within("18.9-ee", "18.9", "18.10") || Within("16.11", "17.0", "") {
		t.Error("releases compare as texts")
	}
}
