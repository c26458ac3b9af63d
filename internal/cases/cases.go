// Package cases reads the cases of a platform: roles and tokens with the answer of their
// relying party, and how that answer is known.
package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/trustcheck/trustcheck"
)

// Case is a line of `check --batch` with what is wanted.
type Case struct {
	ID         string          `json:"id"`
	Title      string          `json:"title"`
	Platform   string          `json:"platform,omitempty"`
	Role       json.RawMessage `json:"role"`
	Context    json.RawMessage `json:"context,omitempty"`
	Claims     json.RawMessage `json:"claims,omitempty"`
	ClaimsText *string         `json:"claims_text,omitempty"`
	Now        json.RawMessage `json:"now"`
	Want       Want            `json:"want"`
	// Provenance is observed (the real thing answered), documented or inferred; Source
	// says where.
	Provenance string `json:"provenance"`
	Source     string `json:"source"`
}

// Want is the wanted answer; texts need only be contained in what is said.
type Want struct {
	Verdict   trustcheck.Verdict `json:"verdict,omitempty"`
	Stage     string             `json:"stage,omitempty"`
	Message   string             `json:"message,omitempty"`
	Warning   string             `json:"warning,omitempty"`
	Assumed   string             `json:"assumed,omitempty"`
	RoleError string             `json:"role_error,omitempty"`
}

// Read reads every case file of a folder strictly: an unknown member, a missing provenance
// and an id given twice are errors.
func Read(folder string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var all []Case
	seen := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var read []Case
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&read); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, found := range read {
			if !slices.Contains([]string{"observed", "documented", "inferred"}, found.Provenance) {
				return nil, fmt.Errorf("%s: %s: provenance %q: want observed, documented or inferred", file, found.ID, found.Provenance)
			}
			if other, twice := seen[found.ID]; twice {
				return nil, fmt.Errorf("%s: %s: the id is given in %s too", file, found.ID, other)
			}
			seen[found.ID] = file
		}
		all = append(all, read...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no case found", folder)
	}
	return all, nil
}

// Line is the case as a line of `check --batch`.
func (c Case) Line(platform string) ([]byte, error) {
	c.Platform = platform
	line := struct {
		ID         string          `json:"id"`
		Platform   string          `json:"platform"`
		Role       json.RawMessage `json:"role"`
		Context    json.RawMessage `json:"context,omitempty"`
		Claims     json.RawMessage `json:"claims,omitempty"`
		ClaimsText *string         `json:"claims_text,omitempty"`
		Now        json.RawMessage `json:"now,omitempty"`
	}{c.ID, c.Platform, c.Role, c.Context, c.Claims, c.ClaimsText, c.Now}
	return json.Marshal(line)
}
