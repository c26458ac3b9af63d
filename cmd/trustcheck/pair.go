package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// placed is a role of one side of a change. within is its file's path below the argument that
// it was found in, alone says that this argument was a file.
type placed struct {
	prepared
	within string
	alone  bool
}

// withinPath is a file's path below the file or directory that was named.
func withinPath(path, file string) string {
	if within, err := filepath.Rel(path, file); err == nil && within != "." {
		return within
	}
	return filepath.Base(file)
}

func (p *placed) String() string {
	place := fmt.Sprintf("%s:%d: %s", p.document.File, p.document.Line, p.role.Ref.Name)
	if p.document.Address != "" {
		place += " at " + p.document.Address
	}
	return place
}

// pair is a role before and after a change; nil where it does not exist.
type pair struct{ base, head *placed }

// pairing is the search for the roles that stand for each other.
type pairing struct {
	sides [2][]placed
	// files says that both arguments are files, whose names say nothing then.
	files   bool
	settled map[*placed]*pair
}

// pairUp finds for each role of one side the one of the other that it stands for: HEAD's in
// their order, and behind them those that BASE alone has. Two files with one role each are a
// pair, whatever they are called. Roles that cannot be told apart are an error.
func pairUp(base, head []placed) ([]pair, error) {
	p := &pairing{
		sides: [2][]placed{base, head}, settled: map[*placed]*pair{},
		files: !slices.ContainsFunc(slices.Concat(base, head), func(role placed) bool { return !role.alone }),
	}
	if p.files && len(base) == 1 && len(head) == 1 && base[0].role.Ref.Platform == head[0].role.Ref.Platform {
		return []pair{{&base[0], &head[0]}}, nil
	}
	for level := range levels {
		for _, group := range p.groups(level) {
			p.settle(group)
		}
	}
	unsettled := p.groups(levels - 1)
	for _, key := range slices.Sorted(maps.Keys(unsettled)) {
		return nil, ambiguous(unsettled[key])
	}
	var pairs []pair
	for i := range head {
		pairs = append(pairs, *p.settled[&head[i]])
	}
	for i := range base {
		if two := p.settled[&base[i]]; two.head == nil {
			pairs = append(pairs, *two)
		}
	}
	return pairs, nil
}

// levels is how many there are of telling roles apart.
const levels = 3

// identity is what a role is known by: platform and name, then its file as well, then its
// address too. An address that counts is none, for a list may be reordered.
func (p *pairing) identity(role *placed, level int) string {
	of := []string{role.role.Ref.Platform, role.role.Ref.Name}
	if level > 0 && !p.files {
		of = append(of, role.within)
	}
	if level > 1 && !strings.HasPrefix(role.document.Address, "/") {
		of = append(of, role.document.Address)
	}
	return fmt.Sprintf("%q", of)
}

// groups are the roles that are not settled, those of one identity together and BASE's first.
func (p *pairing) groups(level int) map[string]*[2][]*placed {
	all := map[string]*[2][]*placed{}
	for side := range p.sides {
		for i := range p.sides[side] {
			role := &p.sides[side][i]
			if p.settled[role] != nil {
				continue
			}
			key := p.identity(role, level)
			if all[key] == nil {
				all[key] = &[2][]*placed{}
			}
			all[key][side] = append(all[key][side], role)
		}
	}
	return all
}

// settle takes a group for one role if neither side has several.
func (p *pairing) settle(group *[2][]*placed) {
	if len(group[0]) > 1 || len(group[1]) > 1 {
		return
	}
	two := &pair{}
	for _, role := range group[0] {
		two.base, p.settled[role] = role, two
	}
	for _, role := range group[1] {
		two.head, p.settled[role] = role, two
	}
}

func ambiguous(group *[2][]*placed) error {
	same := group[0]
	if len(same) < 2 {
		same = group[1]
	}
	return fmt.Errorf("want roles that can be told apart by platform, name, file or address, got %s and %s", same[0], same[1])
}
