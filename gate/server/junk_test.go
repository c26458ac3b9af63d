package server_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trustcheck/trustcheck/gate/internal/gatetest"
	"github.com/trustcheck/trustcheck/internal/mint"
)

// junk returns what makes bad tokens of one kind each, the number in them.
func junk(t *testing.T, issuer *gatetest.Issuer) map[string]func(i int) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	good := issuer.Token(t)
	parts := strings.Split(good, ".")
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := mint.NewKey("RS256")
	if err != nil {
		t.Fatal(err)
	}
	claims, err := mint.Claims("gitlab", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	claims["iss"], claims["aud"] = issuer.URL, gatetest.Audience
	forged, err := mint.Sign(stranger, "", "", claims)
	if err != nil {
		t.Fatal(err)
	}
	expired := issuer.TokenAt(t, time.Now().Add(-24*time.Hour))
	foreign := issuer.Token(t, "aud=https://other.example")
	another := issuer.Token(t, "iss=https://other.example")
	signature := func(i int) string { s := sha256.Sum256([]byte(strconv.Itoa(i))); return b64(append(s[:], s[:]...)) }
	return map[string]func(int) string{
		"text":        func(i int) string { return "junk" + strconv.Itoa(i) },
		"bytes":       func(int) string { b := make([]byte, 300); rand.Read(b); return b64(b) },
		"three parts": func(i int) string { return fmt.Sprintf("a%d.b.c", i) },
		"five parts":  func(i int) string { return fmt.Sprintf("%s.a%d.b.c.d", parts[0], i) },
		"huge":        func(i int) string { return strings.Repeat("a", 20_000) + strconv.Itoa(i) },
		"deep": func(i int) string {
			return parts[0] + "." + b64([]byte(strings.Repeat("[", 9000))) + "." + signature(i)
		},
		"long number": func(i int) string {
			return parts[0] + "." + b64([]byte(`{"iss":1`+strings.Repeat("0", 9000)+`}`)) + "." + signature(i)
		},
		"no algorithm":    func(i int) string { return b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + "." },
		"other algorithm": func(i int) string { return b64([]byte(`{"alg":"RS257"}`)) + "." + parts[1] + "." + signature(i) },
		"symmetric":       func(i int) string { return symmetric(parts[1], i) },
		"signature":       func(i int) string { return parts[0] + "." + parts[1] + "." + signature(i) },
		"padded":          func(i int) string { return good + strings.Repeat("=", 1+i%3) },
		"changed claims": func(i int) string {
			return parts[0] + "." + b64([]byte(strings.Replace(string(payload), "acme/infra", fmt.Sprintf("acme/x%d", i), 1))) + "." + parts[2]
		},
		"unknown kid": func(i int) string { return b64(kid(header, strconv.Itoa(i))) + "." + parts[1] + "." + parts[2] },
		"long kid": func(i int) string {
			return b64(kid(header, strings.Repeat("k", 2000))) + "." + parts[1] + "." + parts[2]
		},
		"stranger's key":     func(int) string { return forged },
		"expired":            func(int) string { return expired },
		"another's audience": func(int) string { return foreign },
		"another issuer":     func(int) string { return another },
		"duplicate claim": func(i int) string {
			return parts[0] + "." + b64([]byte(`{"iss":"a",`+string(payload[1:]))) + "." + parts[2]
		},
	}
}

func kid(header []byte, id string) []byte {
	_, rest, _ := strings.Cut(string(header), `"kid":"`)
	old, _, _ := strings.Cut(rest, `"`)
	return []byte(strings.Replace(string(header), old, id, 1))
}

// symmetric signs with a public text, as the old confusion attack does.
func symmetric(payload string, i int) string {
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + payload
	mac := hmac.New(sha256.New, []byte(strconv.Itoa(i)))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// TestJunkGetsIn floods a gate process with bad tokens, GATE_JUNK of them, while
// good ones come too.
func TestJunkGetsIn(t *testing.T) {
	total := 4000
	if long, err := strconv.Atoi(os.Getenv("GATE_JUNK")); err == nil {
		total = long
	} else if testing.Short() {
		total = 400
	}
	issuer := gatetest.NewIssuer(t)
	path := write(t, "gate.yaml", config(issuer, ""), "roles/deploy.json", gatetest.RoleText)
	gate := spawn(t, path)
	if status, code := check(t, "http://"+gate.URL, "deploy", issuer.Token(t)); status != 200 {
		t.Fatalf("got %d %s", status, code)
	}
	kinds := junk(t, issuer)
	var names []string
	for name := range kinds {
		names = append(names, name)
	}
	flood := func(count int) (served int64) {
		var next, good atomic.Int64
		var flooding sync.WaitGroup
		done := make(chan struct{})
		for range 8 {
			flooding.Go(func() {
				a := newAsker(t, gate.URL)
				for {
					i := int(next.Add(1))
					if i > count {
						return
					}
					name := names[i%len(names)]
					if status, err := a.ask(subrequest("deploy", kinds[name](i))); err != nil || status == 200 || status == 503 && name != "unknown kid" {
						t.Errorf("%s: got %d, %v", name, status, err)
						return
					}
				}
			})
		}
		var serving sync.WaitGroup
		serving.Go(func() {
			a := newAsker(t, gate.URL)
			for {
				select {
				case <-done:
					return
				default:
				}
				if status, err := a.ask(subrequest("deploy", issuer.Token(t))); err != nil || status != 200 {
					t.Errorf("a good token meanwhile: got %d, %v", status, err)
					return
				}
				good.Add(1)
			}
		})
		flooding.Wait()
		close(done)
		serving.Wait()
		return good.Load()
	}
	asked, start := issuer.Requests.Load(), time.Now()
	flood(total / 4)
	before := gate.memory(t)
	served := flood(total)
	// At most three requests in each minute begun, for kids that nobody knows.
	if requests, most := issuer.Requests.Load()-asked, int64(3*(1+time.Since(start)/time.Minute)); requests > most {
		t.Errorf("the issuer was asked %d times, want at most %d", requests, most)
	}
	if grown := gate.memory(t) - before; grown > 64<<20 {
		t.Errorf("the gate has grown by %d MB", grown>>20)
	}
	if served == 0 {
		t.Error("no good token was served meanwhile")
	}
	t.Logf("%d junk tokens of %d kinds in %v, %d good ones meanwhile; the issuer was asked %d times, memory %+d KB",
		total, len(names), time.Since(start).Round(time.Millisecond), served, issuer.Requests.Load()-asked, (gate.memory(t)-before)>>10)
}
