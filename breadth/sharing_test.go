package breadth_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/trustcheck/trustcheck/breadth"
)

// someSamples is one sample in so many.
func someSamples(t *testing.T, of int) []breadth.Subject {
	t.Helper()
	all := sampleSubjects(t, openBundle(t))
	var some []breadth.Subject
	for i := 0; i < len(all); i += of {
		some = append(some, all[i])
	}
	return some
}

// Analyses that run at once, and after each other, on one analyser answer as each would on one
// of its own.
func TestAnalysesShareAnAnalyser(t *testing.T) {
	t.Parallel()
	shared := breadth.New(openBundle(t))
	subjects := someSamples(t, 5)
	var wait sync.WaitGroup
	results := make([]*breadth.Result, 2*len(subjects))
	for i := range results {
		wait.Go(func() {
			result, err := shared.Analyse(context.Background(), subjects[i%len(subjects)])
			if err != nil {
				t.Error(err)
				return
			}
			results[i] = result
		})
	}
	wait.Wait()
	for i, result := range results {
		alone, err := breadth.New(openBundle(t)).Analyse(context.Background(), subjects[i%len(subjects)])
		if err != nil || result == nil {
			t.Fatal(err)
		}
		if result.Verdict != alone.Verdict || !maps.Equal(result.Attackers, alone.Attackers) || !slices.Equal(result.RestsOn, alone.RestsOn) {
			t.Errorf("%s: want %s, %v, %q, got %s, %v, %q", subjects[i%len(subjects)].Role.Ref.Name,
				alone.Verdict, alone.Attackers, alone.RestsOn, result.Verdict, result.Attackers, result.RestsOn)
		}
	}
}

// What a proof needs of the facts comes out the same over the questions that are there.
func TestFactsAreAskedBesideAsAnew(t *testing.T) {
	t.Parallel()
	analyser := breadth.New(openBundle(t))
	asked := 0
	for _, subject := range someSamples(t, 3*breadth.Thinned) {
		differ, beside, err := breadth.AskedBeside(analyser, subject)
		if err != nil {
			t.Fatal(err)
		}
		if len(differ) > 0 {
			t.Errorf("%s: differs without the facts %q", subject.Role.Ref.Name, differ)
		}
		asked += beside
	}
	if asked == 0 {
		t.Error("no fact was asked about over the questions that were there")
	}
}

// A search finds the same whatever earlier ones left in its room.
func TestSearchesFindTheSameInUsedRoom(t *testing.T) {
	t.Parallel()
	analyser := breadth.New(openBundle(t))
	for _, subject := range someSamples(t, 4*breadth.Thinned) {
		differ, all, err := breadth.SearchedAnew(analyser, subject)
		if err != nil {
			t.Fatal(err)
		}
		if differ > 0 || all == 0 {
			t.Errorf("%s: %d of %d searches differ", subject.Role.Ref.Name, differ, all)
		}
	}
}
