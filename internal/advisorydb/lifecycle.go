package advisorydb

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll/internal/advisory"
)

// EndOfLife states until when a release gets security fixes. The key is the ID of a
// distribution's os-release, or the name of a runtime, and the release: "debian 12",
// "python 3.12". Of several statements on a key the latest dates count.
//
// A key of no, over 256 or unprintable bytes, and dates that are none are refused.
func (b *Builder) EndOfLife(key string, e advisory.Lifecycle) error {
	if key == "" || len(key) > maxEcosystem || !printable(key) {
		return fmt.Errorf("the release %.80q has no name of at most %d characters that can be printed", key, maxEcosystem)
	}
	for _, day := range [...]string{e.End, e.Extended} {
		if t, err := time.Parse(time.DateOnly, day); day != "" && (err != nil || t.Year() < 1) {
			return fmt.Errorf("the end of %s, %.40q, is not a date", key, day)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	have := b.lifecycles[key]
	b.lifecycles[strings.Clone(key)] = advisory.Lifecycle{
		End: strings.Clone(max(have.End, e.End)), Extended: strings.Clone(max(have.Extended, e.Extended)),
	}
	return nil
}

// lifecycleJob encodes the ends of support; nil if none is known.
func (b *Builder) lifecycleJob() job {
	if len(b.lifecycles) == 0 {
		return nil
	}
	return func() (Shard, []byte, error) {
		return sharedShard(KindLifecycle, "", slices.Sorted(maps.Keys(b.lifecycles)), func(key string) string { return key },
			func(key string, lists *flawLists) []byte {
				e := b.lifecycles[key]
				return binary.AppendUvarint(binary.AppendUvarint(nil, lists.str(e.End)), lists.str(e.Extended))
			})
	}
}

// EndOfLife gives until when a release gets security fixes, by the key that
// [Builder.EndOfLife] describes. It reports false if nothing is known of it.
func (db *DB) EndOfLife(ctx context.Context, key string) (advisory.Lifecycle, bool, error) {
	var e advisory.Lifecycle
	if err := db.enter(); err != nil {
		return e, false, err
	}
	defer db.leave()
	slot := db.shared(KindLifecycle, string(KindLifecycle))
	if slot == nil {
		return e, false, nil
	}
	s, err := db.get(ctx, slot)
	if err != nil {
		return e, false, err
	}
	found := false
	err = guard(func() error {
		body, ok, err := s.find(key)
		if err != nil || !ok {
			return err
		}
		found = true
		c := cursor{b: body}
		if e.End, err = s.string(c.uvarint()); err == nil {
			e.Extended, err = s.string(c.uvarint())
		}
		if c.bad {
			return damaged("the end of a release is cut short")
		}
		return err
	})
	if err != nil {
		return advisory.Lifecycle{}, false, s.wrap(err)
	}
	return e, found, nil
}
