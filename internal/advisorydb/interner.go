package advisorydb

import (
	"cmp"
	"slices"
	"strings"
)

// interner numbers strings; 0 is the empty one.
type interner struct {
	list    []string
	numbers map[string]uint32
}

func newInterner() interner {
	return interner{list: []string{""}, numbers: map[string]uint32{"": 0}}
}

// number gives the number of s, a new one the first time.
func (in *interner) number(s string) uint32 {
	if n, ok := in.numbers[s]; ok {
		return n
	}
	s = strings.Clone(s) // it may be part of a whole feed
	n := uint32(len(in.list))
	in.list = append(in.list, s)
	in.numbers[s] = n
	return n
}

// sort numbers the strings anew in bytewise order and returns the new numbers by
// the old ones. From then on the order of numbers is that of strings.
func (in *interner) sort() []uint32 {
	order := make([]uint32, len(in.list))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(in.list[a], in.list[b]) })
	renamed := make([]uint32, len(order))
	list := make([]string, len(order))
	for i, old := range order {
		renamed[old] = uint32(i)
		list[i] = in.list[old]
		in.numbers[list[i]] = uint32(i)
	}
	in.list = list
	return renamed
}
