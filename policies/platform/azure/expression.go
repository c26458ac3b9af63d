package azure

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// term is one comparison of a claimsMatchingExpression.
type term struct {
	claim    string
	operator string // "eq" or "matches"
	value    string // quotes undone
}

// parseExpression reads a claimsMatchingExpression of language version 1:
//
//	expression = term *( " and " term )
//	term       = "claims['" name "']" " " ( "eq" / "matches" ) " '" comparand "'"
//	comparand  = *( any character but "'" / "''" )
//
// Nothing else is documented, so nothing else is read: other white space, capitals and
// parentheses are errors. An error begins with the column, counted from 1 in characters.
// Source: Microsoft Learn, workload-identities-flexible-federated-identity-credentials.
func parseExpression(text string) ([]term, error) {
	p := &parser{text: text}
	for {
		one, err := p.term()
		if err != nil {
			return nil, err
		}
		p.terms = append(p.terms, one)
		if p.at == len(p.text) {
			return p.terms, nil
		}
		if err := p.want(" and "); err != nil {
			return nil, err
		}
	}
}

type parser struct {
	text  string
	at    int // bytes
	terms []term
}

func (p *parser) term() (term, error) {
	if err := p.want("claims['"); err != nil {
		return term{}, err
	}
	name, err := p.until("']")
	if err != nil {
		return term{}, err
	}
	operator := "eq"
	if strings.HasPrefix(p.text[p.at:], " matches ") {
		operator = "matches"
	}
	if err := p.want(" " + operator + " '"); err != nil {
		return term{}, err
	}
	value, err := p.comparand()
	return term{name, operator, value}, err
}

// until reads a name without quotes up to what ends it.
func (p *parser) until(end string) (string, error) {
	length := strings.IndexAny(p.text[p.at:], "'")
	if length <= 0 {
		return "", p.fail("want a claim's name and %s", end)
	}
	name := p.text[p.at : p.at+length]
	p.at += length
	return name, p.want(end)
}

func (p *parser) comparand() (string, error) {
	var value strings.Builder
	for {
		length := strings.IndexByte(p.text[p.at:], '\'')
		if length < 0 {
			return "", p.fail("want a ' that ends the text")
		}
		value.WriteString(p.text[p.at : p.at+length])
		p.at += length + 1
		if !strings.HasPrefix(p.text[p.at:], "'") {
			return value.String(), nil
		}
		value.WriteByte('\'')
		p.at++
	}
}

func (p *parser) want(what string) error {
	if !strings.HasPrefix(p.text[p.at:], what) {
		return p.fail("want %q", what)
	}
	p.at += len(what)
	return nil
}

func (p *parser) fail(format string, args ...any) error {
	came := "the end"
	if rest := p.text[p.at:]; rest != "" {
		came = fmt.Sprintf("%q", firstRunes(rest, 12))
	}
	return fmt.Errorf("1:%d: %s, got %s", utf8.RuneCountInString(p.text[:p.at])+1, fmt.Sprintf(format, args...), came)
}

func firstRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
