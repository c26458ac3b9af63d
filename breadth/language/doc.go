// Package language computes with regular sets of strings: the patterns that
// roles hold, and what issuers can put into claims.
//
//	limits := language.Limits{}
//	wanted, err := limits.Compile(ctx, `\A(?s:mygroup.*/app)\z`)
//	meant, err := limits.Compile(ctx, `\A(?s:mygroup/.*)\z`)
//	stray, err := limits.Minus(ctx, wanted, meant)
//	stray.Shortest() // "mygroup/app" is meant; this is "mygroupx/app"
//
// # Meaning
//
// A string is a sequence of Unicode scalar values, as every string in JSON is
// once it is read. A pattern is RE2 as package regexp reads it, and stands for
// the strings in which regexp.MatchString finds a match: anywhere, unless the
// pattern is anchored. What is made into an automaton is the program that
// package regexp would run, so flags, case folding, line and word boundaries
// mean the same without a second reading of them. The tests compare both, and
// [Limits.SMTLIB] lets another solver compare what is computed from there on.
// There are no globs here: a platform's patterns arrive as RE2.
//
// Every [Language] is held as its minimal complete automaton over the fewest
// letter classes, with one numbering. Two languages are equal if and only if
// their tables are, [Language.Equal] needs no search, and complement is free.
//
// # Answers
//
// Every answer is exact, or is an error. The constructions are methods of
// [Limits]: past its states they return [ErrLimit], past the deadline the
// context's error. Whoever asks must then say that it is undecided. Methods of
// Language itself cannot fail, and do not grow anything.
//
// # Cost
//
// A pattern of n instructions may need 2ⁿ states, and no algorithm helps where
// the minimal automaton has them: in `(a|b)*a(a|b){14}` it must remember the
// last 15 letters. Likewise the strings that hold all of k given words need 2ᵏ
// states. Such questions end at the limit, most in some twenty milliseconds.
// States, table cells and steps are counted, so that every construction ends by
// itself, the worst we found after one or two seconds and within 250 MB, and
// ends the same way on every machine; a deadline only comes on top.
//
// The blow-ups that are not inherent are avoided in two ways. A subset of
// instructions after which anything is accepted is one state, however it came
// about: `.*x.*|.*y.*` has two states, not one for each set of stars entered.
// And where a pattern with alternatives grows past a few hundred states, each
// alternative is compiled and minimised by itself, and they are united pairwise
// as a tree: the union of fifty `prefix.*infix1.*suffix` has 20 states, and its
// parts have about as many.
//
// Union and intersection cost the product of both sizes at most, minimisation
// n·log n for each letter class. [Limits.Replacing] and [Limits.Between] do not
// add states; [Limits.Around], [Limits.Extracting] and [Limits.Splitting]
// multiply them by the length of the word that is searched, since letters that
// may still belong to it are held back until that is known.
//
// # Several at once
//
// A search over several automata steps them by common letter classes: [Refine]
// makes these, [Language.Table] a dense table for each automaton. A state that
// is [Language.Dead] or [Language.Universal] never changes its mind, and
// [Language.Distances] says how far an accepting one is.
//
// A list of strings is one string in which [End] follows every element;
// [Limits.Some] and [Limits.Every] are its quantifiers.
//
// # What is left out
//
// Comparison of two strings that are both unknown, and arithmetic on lengths,
// are not regular. Captures have no meaning in a set. Bytes that are not UTF-8
// are read as U+FFFD, as package regexp does; the surrogates, which a pattern
// may name, match nothing.
package language
