package advisorydb

import (
	"cmp"
	"slices"
	"strings"
)

// Names, versions and summaries are stored with the strings that occur most in a shard
// replaced by codes of one byte, so that each can be read by itself (P. Boncz, T. Neumann,
// V. Leis, "FSST: Fast Random Access String Compression", VLDB 2020). Printable ASCII
// stands for itself, so that a shard too small for a table of symbols has none.
const (
	maxSymbols   = lowCodes + 128
	maxSymbol    = 24   // bytes of a symbol
	lowCodes     = 0x1f // codes from 0; the others are from 0x80
	escape       = 0x1f // the next byte stands for itself
	symbolRounds = 4
	symbolSample = 64 << 10 // bytes that symbols are learnt from
)

// symbols encodes strings.
type symbols struct {
	list  []string
	first [256][]uint8 // places in list of those that begin with a byte, longest first
}

func newSymbols(list []string) *symbols {
	y := &symbols{list: list}
	for i, s := range list {
		y.first[s[0]] = append(y.first[s[0]], uint8(i))
	}
	for _, of := range y.first {
		slices.SortStableFunc(of, func(a, b uint8) int { return cmp.Compare(len(list[b]), len(list[a])) })
	}
	return y
}

// match gives the longest symbol that s begins with; false if there is none.
func (y *symbols) match(s string) (int, bool) {
	for _, i := range y.first[s[0]] {
		if strings.HasPrefix(s, y.list[i]) {
			return int(i), true
		}
	}
	return 0, false
}

func (y *symbols) append(dst []byte, s string) []byte {
	for s != "" {
		i, ok := y.match(s)
		switch {
		case ok && i < lowCodes:
			dst = append(dst, byte(i))
		case ok:
			dst = append(dst, byte(0x80+i-lowCodes))
		case s[0] > escape && s[0] < 0x80:
			dst = append(dst, s[0])
		default:
			dst = append(dst, escape, s[0])
		}
		if ok {
			s = s[len(y.list[i]):]
		} else {
			s = s[1:]
		}
	}
	return dst
}

// learnSymbols chooses the symbols for strings: those that save most, found by joining
// neighbours round by round. The same strings in the same order give the same symbols.
func learnSymbols(all []string) *symbols {
	total := 0
	for _, s := range all {
		total += len(s)
	}
	step := 1 + total/symbolSample
	y := newSymbols(nil)
	for round := range symbolRounds + 1 {
		uses := map[string]int{}
		for i := 0; i < len(all); i += step {
			s, last := all[i], 0
			for at := 0; at < len(s); {
				n := 1
				if k, ok := y.match(s[at:]); ok {
					n = len(y.list[k])
				}
				if n > 1 {
					uses[s[at:at+n]]++
				}
				if round < symbolRounds && last > 0 && last+n <= maxSymbol {
					uses[s[at-last:at+n]]++
				}
				at, last = at+n, n
			}
		}
		type gain struct {
			s     string
			saved int
		}
		var best []gain
		for s, n := range uses {
			if saved := n*step*(len(s)-1) - len(s) - 1; saved > 0 {
				best = append(best, gain{s, saved})
			}
		}
		slices.SortFunc(best, func(a, b gain) int { return cmp.Or(cmp.Compare(b.saved, a.saved), cmp.Compare(a.s, b.s)) })
		list := make([]string, min(len(best), maxSymbols))
		for i := range list {
			list[i] = best[i].s
		}
		y = newSymbols(list)
	}
	return y
}

// expand appends what an encoded string stands for, until dst has most bytes; false if
// it is damaged.
func expand(dst []byte, list [][]byte, enc []byte, most int) ([]byte, bool) {
	for i := 0; i < len(enc) && len(dst) < most; i++ {
		c := int(enc[i])
		switch {
		case c > escape && c < 0x80:
			dst = append(dst, enc[i])
			continue
		case c == escape:
			if i++; i == len(enc) {
				return dst, false
			}
			dst = append(dst, enc[i])
			continue
		case c >= 0x80:
			c += lowCodes - 0x80
		}
		if c >= len(list) {
			return dst, false
		}
		dst = append(dst, list[c]...)
	}
	return dst[:min(len(dst), most)], true
}
