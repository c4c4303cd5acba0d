package advisorydb

import "runtime/debug"

// guard runs f, which reads mapped bytes, and turns a fault of the memory map into an
// error: the disk failed, or somebody cut the file short while it was open. Without it
// the whole program would die. Every other panic goes on.
func guard(f func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			// Faults at an address have this method, other panics do not.
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			err = damaged("its bytes can no longer be read: the disk failed or the file was cut short")
		}
	}()
	return f()
}
