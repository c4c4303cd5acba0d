package advisorydb

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// maxCPEs bounds the products of one repository; the largest has some 30.
const maxCPEs = 1 << 12

// Repository adds which products' packages a publisher's repository holds, by their
// CPEs. What several calls say of one repository is united. A repository without a
// name and one with too many products are refused.
func (b *Builder) Repository(id string, cpes []string) error {
	if id == "" || len(cpes) > maxCPEs {
		return fmt.Errorf("adding repository %.80q: it has no name or %d products, over the limit of %d", id, len(cpes), maxCPEs)
	}
	if err := checkStrings(append([]string{id}, cpes...)...); err != nil {
		return fmt.Errorf("adding repository %.80q: %w", id, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.names.number(id)
	list := b.repos[n]
	for _, s := range cpes {
		if c := b.names.number(s); !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	if len(list) > maxCPEs {
		return fmt.Errorf("adding repository %.80q: it has over %d products", id, maxCPEs)
	}
	b.repos[n] = list
	return nil
}

// repositoriesJob encodes the repositories: of each its number of CPEs, and each of
// them by its distance in the strings. The builder must have been renumbered.
func (b *Builder) repositoriesJob() job {
	in, repos := &b.names, b.repos
	return func() (Shard, []byte, error) {
		return sharedShard(KindRepositories, "", slices.Sorted(maps.Keys(repos)), func(id uint32) string { return in.list[id] }, func(id uint32, lists *flawLists) []byte {
			out := binary.AppendUvarint(nil, uint64(len(repos[id])))
			var last uint64
			for _, c := range repos[id] {
				at := lists.str(in.list[c])
				out = binary.AppendUvarint(out, at-last)
				last = at
			}
			return out
		})
	}
}

// Repository gives the CPEs of the products that a publisher's repository belongs to,
// sorted; false if nothing is known of it.
func (db *DB) Repository(ctx context.Context, id string) (cpes []string, ok bool, err error) {
	if err := db.enter(); err != nil {
		return nil, false, err
	}
	defer db.leave()
	slot := db.shared(KindRepositories, string(KindRepositories))
	if slot == nil {
		return nil, false, nil
	}
	s, err := db.get(ctx, slot)
	if err != nil {
		return nil, false, err
	}
	err = guard(func() error {
		body, found, err := s.find(id)
		if err != nil || !found {
			return err
		}
		c := cursor{b: body}
		list := make([]string, c.count())
		var at uint64
		for i := range list {
			at += c.uvarint()
			if c.bad {
				break
			}
			if list[i], err = s.string(at); err != nil {
				return err
			}
		}
		if c.bad {
			return damaged("an entry is cut short")
		}
		cpes, ok = list, true
		return nil
	})
	if err != nil {
		return nil, false, s.wrap(err)
	}
	return cpes, ok, nil
}
