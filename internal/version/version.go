// Package version orders version strings and tests ranges, by the rules of each
// ecosystem. There is no generic comparer: a [Scheme] is chosen by ecosystem, and
// an ecosystem without one cannot be compared.
//
// # Words
//
// A version is a string as its ecosystem writes it. It is valid for a [Scheme] if
// [Scheme.Valid] says so; what is not valid is not compared, and the answer is an
// error wrapping [ErrInvalid], never a guess. An [Interval] is a span of versions,
// an [Event] one end of such a span as OSV records give it.
//
// # Promises
//
// Comparing takes time linear in the length of both strings and allocates nothing.
// A version of more than [MaxLength] bytes is invalid in every scheme, and numbers
// within versions have no upper bound below that. Nothing here panics whatever the
// input, and all of it may be called from several goroutines at once.
//
// Every order is antisymmetric and, between versions of equal shape, transitive.
// The exception is on purpose: for [RPM] and [Pacman] a release that is missing on
// one side is not compared, so "1.0" equals both "1.0-1" and "1.0-2".
//
// Two versions that compare as 0 need not be the same string: "1.0" and "1.0.0" are
// one version to PyPI, and "1.0" and "0:1.0" to dpkg.
//
// # Not here
//
// Requirement ranges ("^1.2", ">=1 <2"), git commits, and the question which
// advisory is for which package; see match.
package version

// Interval is a span of versions in which something holds. Versions v with
// Introduced ≤ v and v < Fixed (or v ≤ LastAffected, when Fixed is empty) are in
// it. An empty Introduced or "0" means from the first version on; both ends empty
// means every later version.
type Interval struct {
	Introduced   string
	Fixed        string
	LastAffected string
}
