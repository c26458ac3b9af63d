package verifier

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// exact is what an instant stands for, without what was cut off.
func (t instant) exact() *big.Rat {
	r := new(big.Rat).SetInt64(t.sec)
	return r.Add(r, big.NewRat(t.nsec, 1e9))
}

// TestTimesAreRounded holds the reading of decimals against exact arithmetic.
func TestTimesAreRounded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	last := new(big.Rat).SetInt64(lastSecond)
	digits := func(n int) string {
		s := ""
		for range n {
			s += fmt.Sprint(random.IntN(10))
		}
		return s
	}
	inside := 0
	for range 20000 {
		number := fmt.Sprint(1 + random.IntN(9))
		number = []string{"0", number + digits(random.IntN(14)), "1800000000"}[random.IntN(3)]
		if random.IntN(2) == 0 {
			number += "." + digits(1+random.IntN(14))
		}
		if random.IntN(2) == 0 {
			number += fmt.Sprintf("e%d", random.IntN(40)-20)
		}
		if random.IntN(10) == 0 {
			number = "-" + number
		}
		want, ok := new(big.Rat).SetString(number)
		if !ok {
			t.Fatalf("%s is no number", number)
		}
		got, ok := parseInstant(number)
		if wantOK := want.Sign() >= 0 && want.Cmp(last) <= 0; ok != wantOK {
			t.Errorf("%s: got %v, want %v", number, ok, wantOK)
			continue
		}
		if !ok {
			continue
		}
		inside++
		cut := new(big.Rat).Sub(want, got.exact())
		if cut.Sign() < 0 || cut.Cmp(big.NewRat(1, 1e9)) >= 0 || got.more != (cut.Sign() > 0) {
			t.Errorf("%s: got %+v, off by %s", number, got, cut.FloatString(12))
		}
	}
	if inside < 5000 {
		t.Errorf("only %d numbers were in range", inside)
	}
}

func TestLeewayCrossesASecond(t *testing.T) {
	for _, row := range []struct {
		at   instant
		add  time.Duration
		want instant
	}{
		{instant{10, 500, false}, 3 * time.Second, instant{13, 500, false}},
		{instant{10, 500, true}, -time.Nanosecond * 501, instant{9, 999_999_999, true}},
		{instant{10, 999_999_999, false}, time.Nanosecond, instant{11, 0, false}},
		{instant{0, 0, false}, -5 * time.Minute, instant{-300, 0, false}},
		{instant{lastSecond, 0, false}, 1<<63 - 1, instant{lastSecond + 9223372036, 854775807, false}},
	} {
		if got := row.at.add(row.add); got != row.want {
			t.Errorf("%v + %v: got %v, want %v", row.at, row.add, got, row.want)
		}
	}
	// The clock's own nanoseconds count.
	s := newSigner(t, "EdDSA", "k")
	leeway := time.Duration(0)
	v := newVerifier(t, parseJWKS(t, s.jwk(nil)), func(c *Config) { c.Leeway = &leeway })
	token := s.sign(s.header(), goodClaims(`"exp":1800000000.5`))
	_, err := v.Verify(t.Context(), token, testNow.Add(499_999_999))
	wantCodes(t, err)
	_, err = v.Verify(t.Context(), token, testNow.Add(500_000_000))
	wantCodes(t, err, Expired)
}
