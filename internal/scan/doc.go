// Package scan is the line from an image to a verdict: Inspect reads the image into
// Facts, Assess holds them against advisories, Judge holds the result against what
// is allowed. Each step is a function of its inputs alone, so stored Facts can be
// assessed anew without pulling a byte, and a stored Report judged anew.
//
// Layers are read in parallel, each once; what a layer holds is cached by its
// verified digest and the set of extractors, and what stacked layers hold by those of
// all (see [Cache]).
package scan
