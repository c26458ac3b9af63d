package language

import (
	"context"
	"math/rand/v2"
	"regexp"
	"testing"
)

// Each branch of an alternation is a graph that shares letters with the others, so that
// only a set of states can tell where a text leads.
func TestGraphLosesOrInventsTexts(t *testing.T) {
	pattern := regexp.MustCompile(`\A(?:ab*|a(?:bb)*c|b)\z`)
	alphabet := alone([]rune("abc"))
	a, b, c := alphabet.Class('a'), alphabet.Class('b'), alphabet.Class('c')
	graph := &Graph{
		Alphabet: alphabet,
		Starts:   []int{0, 2, 6},
		Accept:   []bool{false, true, false, false, false, true, false, true},
		Edges: [][]Edge{
			{{a, 1}}, {{b, 1}},
			{{a, 3}}, {{b, 4}, {c, 5}}, {{b, 3}}, nil,
			{{b, 7}}, nil,
		},
	}
	found, err := Limits{}.Graph(context.Background(), graph)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		text := make([]byte, r.IntN(8))
		for i := range text {
			text[i] = "abcd"[r.IntN(4)]
		}
		if got, want := found.Contains(string(text)), pattern.Match(text); got != want {
			t.Fatalf("%q: want %t, got %t", text, want, got)
		}
	}
	compiled, err := Limits{}.Compile(context.Background(), pattern.String())
	if err != nil {
		t.Fatal(err)
	}
	if !found.Equal(compiled) {
		t.Errorf("want the language of %s", pattern)
	}
}
