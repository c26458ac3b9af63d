package breadth

import (
	"sync"

	"github.com/trustcheck/trustcheck/breadth/language"
)

// domains are the languages of the fields of issuers' models. They depend on nothing else,
// so that all analyses of an analyser share them.
type domains struct {
	mutex sync.Mutex
	known map[string]*language.Language
}

// of is the domain of a key; where it is new it is built, and what fails is not kept.
func (d *domains) of(key string, build func() (*language.Language, error)) (*language.Language, error) {
	if known := d.keep(key, nil); known != nil {
		return known, nil
	}
	built, err := build()
	if err != nil {
		return nil, err
	}
	return d.keep(key, built), nil
}

// keep returns what is known of a key, which is the language that came first.
func (d *domains) keep(key string, built *language.Language) *language.Language {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if known := d.known[key]; known != nil || built == nil {
		return known
	}
	if d.known == nil {
		d.known = map[string]*language.Language{}
	}
	d.known[key] = built
	return built
}
