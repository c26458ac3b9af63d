// Package breadth decides how broad a role is: whether anyone outside the circle that it
// is meant for can get a token that it accepts, and shows that token.
//
// A role's conditions, in the neutral form by which it is decided, are a formula over
// claims. The issuer's model says which tokens there can be: shapes, in which claims are
// templates over independent fields. Scope, facts and attackers are formulas over claims
// too. So every question is whether a formula has a token, and because all of it is
// regular that can be decided: see type tape.
//
// Two readings make the answers safe. Whatever is not understood, or rests on a fact that
// nobody gave, perhaps holds and perhaps does not: a role is [Tight] only when it accepts
// no token even where all that perhaps holds does, and [Broad] only when it accepts one
// where only what surely holds does. Between the two it is [Undecided]. Every witness is
// asked of the role itself before it is shown.
package breadth
