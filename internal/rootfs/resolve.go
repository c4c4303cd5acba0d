package rootfs

import (
	"strings"
	"sync/atomic"
)

const (
	// maxHops bounds the symbolic links followed for one path, and maxResolved the path
	// in bytes, as Linux does (path_resolution(7)).
	maxHops     = 40
	maxResolved = 4096
	// resolveWork bounds what may be spent on following links, in bytes of paths looked
	// at: two seconds' worth and a hundred times what real images need. Without it a
	// few thousand long links cost hours.
	resolveWork = 8 << 30
)

// resolver follows symbolic links in paths of an image, within it and never out of it.
type resolver struct {
	// lookup gives the target of a link that is in effect at p.
	lookup func(p string) (target string, ok bool)
	spent  atomic.Int64
}

// exhausted reports whether links were left unfollowed because it took too long.
func (r *resolver) exhausted() bool { return r.spent.Load() > resolveWork }

// resolve follows the links in the clean path p, also at its end. A loop gives the
// path reached when patience ended; it is none that exists.
func (r *resolver) resolve(p string) string { return r.resolveFrom(p, 0) }

// resolveFrom is resolve for a path of which it is known that no link is on the way to
// the element that begins at byte at.
func (r *resolver) resolveFrom(p string, at int) string {
	for at < len(p) {
		end := strings.IndexByte(p[at:], '/')
		if end < 0 {
			end = len(p)
		} else {
			end += at
		}
		if r.spent.Add(int64(end+16)) > resolveWork {
			return p
		}
		if target, ok := r.lookup(p[:end]); ok {
			return r.follow(parent(p[:end]), target, p[end:])
		}
		at = end + 1
	}
	return p
}

// follow goes on from the first link, which stands in the folder dir: a ".." in its
// target is the parent of wherever the part before it leads.
func (r *resolver) follow(dir, target, rest string) string {
	at, todo := dir, target+rest
	if strings.HasPrefix(target, "/") {
		at = ""
	}
	for hops := 1; todo != ""; {
		var name string
		name, todo, _ = strings.Cut(todo, "/")
		switch name {
		case "", ".":
			continue
		case "..":
			at = parent(at)
			continue
		}
		next := name
		if at != "" {
			next = at + "/" + name
		}
		if len(next)+len(todo) > maxResolved || r.spent.Add(int64(len(next)+16)) > resolveWork {
			return join(next, todo)
		}
		target, ok := r.lookup(next)
		if !ok {
			at = next
			continue
		}
		if hops++; hops > maxHops {
			return join(next, todo)
		}
		if strings.HasPrefix(target, "/") {
			at = ""
		}
		if todo != "" {
			target += "/" + todo
		}
		todo = target
	}
	return at
}
