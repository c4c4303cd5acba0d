package feed

import (
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll/internal/version"
)

// rangeSyntax is how a publisher writes which versions are meant: conditions that must
// all be met, apart by blanks or commas, and, where it has them, alternatives apart by
// "||".
type rangeSyntax struct {
	scheme version.Scheme
	// bare stands for a condition without an operator.
	bare string
	// partial: a version of less than three numbers stands for all that begin with it,
	// as in Cargo and npm ("> 1.2" is from 1.3.0 on).
	partial bool
}

// The syntaxes. Cargo's is of doc.rust-lang.org/cargo ("Specifying dependencies"), npm's
// of github.com/npm/node-semver, Ruby's of Gem::Requirement, Composer's of
// getcomposer.org ("Versions and constraints"). Of prereleases only the order counts,
// not whether a package manager would choose one.
var (
	cargoSyntax    = rangeSyntax{scheme: version.SemVer, bare: "^", partial: true}
	nodeSyntax     = rangeSyntax{scheme: version.Generic, bare: "=", partial: true}
	rubySyntax     = rangeSyntax{scheme: version.Gem, bare: "="}
	composerSyntax = rangeSyntax{scheme: version.Packagist, bare: "="}
	hexSyntax      = rangeSyntax{scheme: version.SemVer, bare: "="}
)

// set reads one text.
func (x rangeSyntax) set(text string) (rangeSet, error) {
	out := rangeSet{scheme: x.scheme}
	if len(text) > 64<<10 {
		return out, fmt.Errorf("a range of %d bytes", len(text))
	}
	for alternative := range strings.SplitSeq(text, "||") {
		one := span{lowest, highest}
		conditions := 0
		for rest := alternative; ; conditions++ {
			rest = strings.TrimLeft(rest, " \t,")
			if rest == "" {
				break
			}
			at := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune("<>=~^!", r) })
			if at < 0 {
				return out, fmt.Errorf("%.60q ends in an operator", alternative)
			}
			op, tail := rest[:at], strings.TrimLeft(rest[at:], " \t")
			end := strings.IndexAny(tail, " \t,")
			if end < 0 {
				end = len(tail)
			}
			s, err := x.condition(op, tail[:end])
			if err != nil {
				return out, err
			}
			if out.compare(s.from, one.from) > 0 {
				one.from = s.from
			}
			if out.compare(s.to, one.to) < 0 {
				one.to = s.to
			}
			rest = tail[end:]
		}
		if conditions == 0 {
			return out, fmt.Errorf("%.60q has no condition", text)
		}
		var err error
		if out, err = out.union(one); err != nil {
			return out, err
		}
	}
	return out, nil
}

// sets is the union of several texts.
func (x rangeSyntax) sets(texts []string) (rangeSet, error) {
	out := rangeSet{scheme: x.scheme}
	var all []span
	for _, t := range texts {
		s, err := x.set(t)
		if err != nil {
			return out, err
		}
		if all = append(all, s.spans...); len(all) > maxSpans {
			return out, fmt.Errorf("it has over %d ranges", maxSpans)
		}
	}
	return out.union(all...)
}

// condition gives the versions that one operator with a version stands for.
func (x rangeSyntax) condition(op, v string) (span, error) {
	if op == "" {
		op = x.bare
	}
	short := false
	if x.partial {
		plain := strings.TrimSuffix(strings.TrimSuffix(v, ".x"), ".x")
		plain = strings.TrimSuffix(strings.TrimSuffix(plain, ".*"), ".*")
		if v == "*" || v == "x" {
			return span{lowest, highest}, nil
		}
		if plain != v && op == "^" {
			op = "~" // a star is no caret
		}
		if plain != v && op == "=" {
			op = "~"
		}
		v = plain
		_, isPlain := numbers(v)
		short = isPlain && !strings.ContainsAny(v, "-+") && strings.Count(v, ".") < 2
	}
	if err := x.scheme.Valid(v); err != nil {
		return span{}, fmt.Errorf("%.60q is no version", v)
	}
	beyond := func(n [3]uint64, at int) cut { // the first version with a larger number at that place
		n[at]++
		for i := at + 1; i < 3; i++ {
			n[i] = 0
		}
		return x.bump(n)
	}
	n, ok := numbers(v)
	last := min(strings.Count(v, "."), 2)
	switch op {
	case ">=":
		return span{before(v), highest}, nil
	case "<":
		return span{lowest, before(v)}, nil
	case ">":
		if short {
			return span{beyond(n, last), highest}, nil
		}
		return span{after(v), highest}, nil
	case "<=":
		if short {
			return span{lowest, beyond(n, last)}, nil
		}
		return span{lowest, after(v)}, nil
	case "=", "==":
		if short {
			return span{before(v), beyond(n, last)}, nil
		}
		return span{before(v), after(v)}, nil
	case "~>":
		to, err := x.pessimistic(v)
		return span{before(v), to}, err
	case "~":
		if !ok || !x.partial {
			break
		}
		return span{before(v), beyond(n, min(last, 1))}, nil
	case "^":
		if !ok {
			break
		}
		at := 0
		for at < last && n[at] == 0 {
			at++
		}
		return span{before(v), beyond(n, at)}, nil
	}
	return span{}, fmt.Errorf("the condition %.60q cannot be read", op+" "+v)
}

// bump is the place before a version and its prereleases.
func (x rangeSyntax) bump(n [3]uint64) cut {
	v := dotted(n[:]...)
	if x.scheme == version.SemVer {
		v += "-0"
	}
	return before(v)
}

// pessimistic gives the end of "~> v": Gem::Version#bump without the prereleases of it
// in Ruby, where "~> 1.2.3" ends before 1.3; likewise in Hex.
func (x rangeSyntax) pessimistic(v string) (cut, error) {
	var n []uint64
	for part := range strings.SplitSeq(strings.ReplaceAll(v, "-", "."), ".") {
		var x uint64
		if !isDigits(part) || len(part) > 18 {
			break
		}
		for _, c := range []byte(part) {
			x = x*10 + uint64(c-'0')
		}
		if n = append(n, x); len(n) > 32 {
			break
		}
	}
	if len(n) == 0 {
		return cut{}, fmt.Errorf("%.60q has no numbers", v)
	}
	if len(n) > 1 {
		n = n[:len(n)-1]
	}
	n[len(n)-1]++
	if x.scheme == version.Gem {
		return before(dotted(n...) + ".a"), nil
	}
	for len(n) < 3 {
		n = append(n, 0)
	}
	return before(dotted(n...) + "-0"), nil
}
