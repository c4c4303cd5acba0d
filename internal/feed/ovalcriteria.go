package feed

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll/internal/version"
)

// Bounds on the criteria of one definition, with those of the definitions it extends,
// and on the work for all of one document.
const (
	maxOVALDepth   = 64
	maxOVALClauses = 1 << 16
	maxOVALVisits  = 1 << 18
	maxOVALWork    = 1 << 27
)

// ovalClause is one way in which a definition can hold: all of what it asks for must be
// so. The zero clause always holds.
type ovalClause struct {
	platforms []string // one of these is installed: "Oracle Linux 8"
	module    string   // this modularity stream is enabled: "nodejs:18"
	arches    []string // the package, or the system, is for one of these

	claim   ovalClaim
	pkg     string
	iv      version.Interval // of claimRange
	comment string           // of the criterion that makes the claim

	kernel bool   // it asks which kernel runs
	doubt  string // why the clause is not understood, if it is not
}

// ovalClaim is what a clause asks of its package.
type ovalClaim uint8

const (
	claimNone       ovalClaim = iota
	claimInstalled            // that it is there, in any version
	claimAbsent               // that it is not there
	claimRange                // that its version is in an interval
	claimUnaffected           // what never is: the publisher says that it is not affected
)

// ovalWalk turns the criteria of one definition into clauses.
type ovalWalk struct {
	doc    *oval
	how    *ovalDialect
	open   []int // definitions that are being extended
	visits int
}

// clauses gives the ways in which a definition's criteria can hold. The error says why
// they cannot be told.
func (doc *oval) clauses(d *ovalDefinition, how *ovalDialect) ([]ovalClause, error) {
	if d.Criteria == nil {
		return nil, errors.New("it has no criteria")
	}
	w := ovalWalk{doc: doc, how: how}
	defer func() { doc.work += w.visits }()
	if at, ok := doc.byID[d.ID]; ok {
		w.open = append(w.open, at)
	}
	return w.criteria(d.Criteria, 0, false)
}

// visit counts a step.
func (w *ovalWalk) visit(depth int) error {
	if depth > maxOVALDepth {
		return fmt.Errorf("its criteria are nested over %d deep", maxOVALDepth)
	}
	if w.visits++; w.visits > maxOVALVisits {
		return fmt.Errorf("its criteria come to over %d", maxOVALVisits)
	}
	return nil
}

// criteria joins what is in c. A negation is carried down to the tests.
func (w *ovalWalk) criteria(c *ovalCriteria, depth int, negate bool) ([]ovalClause, error) {
	if err := w.visit(depth); err != nil {
		return nil, err
	}
	negate = negate != (c.Negate == "true")
	or := false
	switch c.Operator {
	case "", "AND":
		or = negate
	case "OR":
		or = !negate
	default: // ONE, XOR
		return []ovalClause{{doubt: fmt.Sprintf("its criteria are joined by %.20q", c.Operator)}}, nil
	}
	join := joinAll
	out := []ovalClause{{}}
	if or {
		join, out = joinAny, nil
	}
	add := func(more []ovalClause, err error) error {
		if err != nil {
			return err
		}
		out = join(out, more)
		if or {
			w.visits += len(more)
		} else {
			w.visits += len(out)
		}
		if len(out) > maxOVALClauses {
			return fmt.Errorf("its criteria can hold in over %d ways", maxOVALClauses)
		}
		return nil
	}
	for i := range c.Extends {
		if err := add(w.extend(&c.Extends[i], depth+1, negate)); err != nil {
			return nil, err
		}
	}
	for i := range c.Tests {
		if err := add(w.criterion(&c.Tests[i], depth+1, negate)); err != nil {
			return nil, err
		}
	}
	for i := range c.Criteria {
		if err := add(w.criteria(&c.Criteria[i], depth+1, negate)); err != nil {
			return nil, err
		}
	}
	if len(c.Extends)+len(c.Tests)+len(c.Criteria) == 0 {
		return []ovalClause{{doubt: "its criteria are empty"}}, nil
	}
	return out, nil
}

// extend follows a reference to another definition. Those of class inventory say
// that a platform is installed.
func (w *ovalWalk) extend(ref *ovalRef, depth int, negate bool) ([]ovalClause, error) {
	if err := w.visit(depth); err != nil {
		return nil, err
	}
	negate = negate != (ref.Negate == "true")
	at, ok := w.doc.byID[ref.Definition]
	if !ok {
		return []ovalClause{{doubt: fmt.Sprintf("it extends %.80q, which is not there", ref.Definition)}}, nil
	}
	d := &w.doc.definitions[at]
	switch {
	case d.Class == "inventory" && !negate:
		name, ok := installed(ref.Comment)
		if !ok {
			name, _ = installed(d.Title)
		}
		return []ovalClause{{platforms: []string{name}}}, nil
	case slices.Contains(w.open, at):
		return nil, errors.New("it extends itself")
	case d.Criteria == nil:
		return []ovalClause{{doubt: fmt.Sprintf("it extends %.80q, which has no criteria", ref.Definition)}}, nil
	}
	w.open = append(w.open, at)
	out, err := w.criteria(d.Criteria, depth, negate)
	w.open = w.open[:len(w.open)-1]
	return out, err
}

func (w *ovalWalk) criterion(ref *ovalRef, depth int, negate bool) ([]ovalClause, error) {
	if err := w.visit(depth); err != nil {
		return nil, err
	}
	return w.test(ref, negate != (ref.Negate == "true")), nil
}

// installed takes "X is installed" apart.
func installed(comment string) (string, bool) {
	name, ok := strings.CutSuffix(strings.TrimRight(strings.TrimSpace(comment), "."), " is installed")
	return name, ok && isName(name)
}

// joinAny is a disjunction. Clauses that ask for nothing but a platform become one.
func joinAny(a, b []ovalClause) []ovalClause {
	for _, c := range b {
		if n := len(a); n > 0 && c.onlyPlatforms() && a[n-1].onlyPlatforms() {
			a[n-1].platforms = append(a[n-1].platforms, c.platforms...)
			continue
		}
		c.platforms = slices.Clip(c.platforms) // for the next to be appended to
		a = append(a, c)
	}
	return a
}

func (c *ovalClause) onlyPlatforms() bool {
	return len(c.platforms) > 0 && c.module == "" && c.arches == nil && c.claim == claimNone && !c.kernel && c.doubt == ""
}

// always reports whether the clause asks for nothing.
func (c *ovalClause) always() bool {
	return len(c.platforms) == 0 && c.module == "" && c.arches == nil && c.claim == claimNone && c.doubt == ""
}

// joinAll is a conjunction: each clause of a with each of b.
func joinAll(a, b []ovalClause) []ovalClause {
	// What always holds adds nothing, unless that a kernel is asked for.
	for i := range b {
		if b[i].always() {
			if slices.ContainsFunc(b, func(c ovalClause) bool { return c.kernel }) {
				for j := range a {
					a[j].kernel = true
				}
			}
			return a
		}
	}
	if len(a) > maxOVALClauses/max(len(b), 1) {
		return make([]ovalClause, maxOVALClauses+1) // too many
	}
	out := make([]ovalClause, 0, len(a)*len(b))
	for i := range a {
		for j := range b {
			out = append(out, both(a[i], b[j]))
		}
	}
	return out
}

// both gives the clause that asks for what a and b ask for.
func both(a, b ovalClause) ovalClause {
	a.kernel = a.kernel || b.kernel
	if a.doubt == "" {
		a.doubt = b.doubt
	}
	doubt := func(why string) {
		if a.doubt == "" {
			a.doubt = why
		}
	}
	switch {
	case len(a.platforms) == 0:
		a.platforms = b.platforms
	case len(b.platforms) > 0 && !slices.Equal(a.platforms, b.platforms):
		doubt("it asks for two platforms at once")
	}
	switch {
	case a.module == "":
		a.module = b.module
	case b.module != "" && a.module != b.module:
		doubt("it asks for two modules at once")
	}
	switch {
	case a.arches == nil:
		a.arches = b.arches
	case b.arches != nil:
		var common []string
		for _, x := range a.arches {
			if slices.Contains(b.arches, x) || x == "noarch" {
				common = append(common, x)
			}
		}
		for _, x := range b.arches {
			if x == "noarch" {
				common = a.arches
			}
		}
		if a.arches = common; len(common) == 0 {
			doubt("it asks for two architectures at once")
		}
	}
	switch {
	case b.claim == claimNone:
	case a.claim == claimNone:
		a.claim, a.pkg, a.iv, a.comment = b.claim, b.pkg, b.iv, b.comment
	case a.pkg != b.pkg:
		doubt("it asks for two packages at once")
	default:
		a.meet(&b, doubt)
	}
	return a
}

// meet joins what two clauses ask of one package. That it is installed and is not at
// the same time is how Red Hat says that it is not affected.
func (c *ovalClause) meet(b *ovalClause, doubt func(string)) {
	x, y := c.claim, b.claim
	if x > y {
		x, y = y, x
	}
	switch {
	case x == y && c.iv == b.iv:
	case x == claimInstalled && y == claimAbsent:
		c.claim = claimUnaffected
	case x == claimInstalled:
		if c.claim == claimInstalled {
			c.claim, c.iv, c.comment = b.claim, b.iv, b.comment
		}
	case x == claimRange && y == claimRange:
		from, to := c.iv, b.iv
		if from.Introduced == "0" {
			from, to = to, from
		}
		if from.Fixed != "" || from.LastAffected != "" || to.Introduced != "0" {
			doubt("it asks for two ranges of versions at once")
			return
		}
		to.Introduced = from.Introduced
		c.iv = to
	default:
		doubt("it asks for what cannot be at once")
	}
}
