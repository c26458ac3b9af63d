package verifier

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// lastGood is the file that keeps an issuer's keys for a cold start.
type lastGood struct {
	Issuer  string          `json:"issuer"`
	URL     string          `json:"url"`
	Fetched time.Time       `json:"fetched"`
	JWKS    json.RawMessage `json:"jwks"`
}

// readLastGood takes over the keys of the file, with the age that they have. A
// file that is missing is normal; one that cannot be used is a warning, never
// an obstacle.
func (r *Remote) readLastGood() {
	if r.config.LastGoodFile == "" {
		return
	}
	keys, err := r.loadLastGood()
	switch {
	case os.IsNotExist(err):
	case err != nil:
		r.fileWarning = fmt.Sprintf("last good keys are not used: %v", err)
	default:
		r.good = keys
		r.generation++
	}
}

func (r *Remote) loadLastGood() (*goodKeys, error) {
	f, err := os.Open(r.config.LastGoodFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var saved lastGood
	if err := json.NewDecoder(io.LimitReader(f, 2*MaxJWKS)).Decode(&saved); err != nil {
		return nil, fmt.Errorf("%s: want the JSON that this program writes, got something else", r.config.LastGoodFile)
	}
	if saved.Issuer != r.config.Issuer || r.config.URL != "" && saved.URL != r.config.URL {
		return nil, fmt.Errorf("%s: holds the keys of issuer %q at %q", r.config.LastGoodFile, saved.Issuer, saved.URL)
	}
	if saved.Fetched.After(r.now()) {
		return nil, fmt.Errorf("%s: was written in the future", r.config.LastGoodFile)
	}
	set, err := ParseJWKS(saved.JWKS)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.config.LastGoodFile, err)
	}
	return &goodKeys{set: set, text: saved.JWKS, url: saved.URL, fetched: saved.Fetched}, nil
}

// writeLastGood replaces the file in one step. A failure is a warning; nobody
// who verifies waits for the disk.
func (r *Remote) writeLastGood(keys *goodKeys) {
	path := r.config.LastGoodFile
	if path == "" {
		return
	}
	warning := ""
	text, err := json.Marshal(lastGood{r.config.Issuer, keys.url, keys.fetched, keys.text})
	if err == nil {
		err = replaceFile(path, text)
	}
	if err != nil {
		warning = fmt.Sprintf("last good keys are not kept: %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fileWarning = warning
}

func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
