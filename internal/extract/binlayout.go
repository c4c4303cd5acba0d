package extract

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// binSpan is a part of the file that is loaded at addr.
type binSpan struct {
	off, size int64
	addr      uint64
}

func (b binSpan) end() int64 { return b.off + b.size }

func (b binSpan) has(off int64) bool { return off >= b.off && off < b.end() }

// binLayout is what an executable's headers, at the file's beginning, say about the
// rest. Formats: ELF gABI chapters 4 and 5, Microsoft "PE Format", Apple's
// mach-o/loader.h and mach-o/fat.h.
type binLayout struct {
	loaded []binSpan // everything with an address
	data   []binSpan // writable and not executable
	rodata []binSpan // only readable; everything that is not writable where nothing is only readable
	dep    []binSpan // the sections named .dep-v0, where the section table comes first (PE, Mach-O)
	elf    bool
	// sections is where ELF's section table lies, of entries of shentsize bytes.
	sections  binSpan
	shentsize int
	wide      bool // 64 bit
	order     binary.ByteOrder
	packed    bool // by UPX
	fat       bool // several executables in one file
}

// binMaxHeaders bounds the headers read of one file: segments, sections, load commands.
const binMaxHeaders = 4096

// binMagic reports whether the file is ELF, PE or Mach-O by its first bytes. Java
// class files share the magic of fat Mach-O and are told apart by the count that follows.
func binMagic(b []byte) bool {
	if len(b) < 64 {
		return false
	}
	switch string(b[:4]) {
	case "\x7fELF", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe":
		return true
	case "\xca\xfe\xba\xbe", "\xca\xfe\xba\xbf":
		n := binary.BigEndian.Uint32(b[4:])
		return n > 0 && n < 40
	}
	return b[0] == 'M' && b[1] == 'Z'
}

// binReadLayout reads the headers in head, the file's first bytes. What is out of
// bounds is left out: the scan then knows less, and finds by content alone.
func binReadLayout(head []byte, size int64) binLayout {
	l := binLayout{order: binary.LittleEndian}
	switch string(head[:4]) {
	case "\x7fELF":
		l.readELF(head)
	case "\xca\xfe\xba\xbe", "\xca\xfe\xba\xbf":
		l.fat = true
	case "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf":
		l.order = binary.BigEndian
		l.readMachO(head, head[3] == 0xcf)
	case "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe":
		l.readMachO(head, head[0] == 0xcf)
	default:
		l.readPE(head)
	}
	if len(l.loaded) == 0 {
		l.rodata = []binSpan{{off: 0, size: size}}
	}
	l.rodata, l.dep = binJoin(l.rodata), binJoin(l.dep)
	return l
}

// binJoin gives the spans in order without overlap, so that no byte is searched twice
// however often the headers name it.
func binJoin(spans []binSpan) []binSpan {
	slices.SortFunc(spans, func(a, b binSpan) int { return cmp.Compare(a.off, b.off) })
	out := spans[:0]
	for _, s := range spans {
		if s.size <= 0 {
			continue
		}
		if n := len(out); n > 0 && s.off <= out[n-1].end() {
			out[n-1].size = max(out[n-1].end(), s.end()) - out[n-1].off
			continue
		}
		out = append(out, s)
	}
	return out
}

func (l *binLayout) readELF(b []byte) {
	l.elf, l.wide = true, b[4] == 2
	if b[5] == 2 {
		l.order = binary.BigEndian
	}
	var phoff, shoff uint64
	var phent, phnum, shnum int
	if l.wide {
		phoff, shoff = l.order.Uint64(b[32:]), l.order.Uint64(b[40:])
		phent, phnum = int(l.order.Uint16(b[54:])), int(l.order.Uint16(b[56:]))
		l.shentsize, shnum = int(l.order.Uint16(b[58:])), int(l.order.Uint16(b[60:]))
	} else {
		phoff, shoff = uint64(l.order.Uint32(b[28:])), uint64(l.order.Uint32(b[32:]))
		phent, phnum = int(l.order.Uint16(b[42:])), int(l.order.Uint16(b[44:]))
		l.shentsize, shnum = int(l.order.Uint16(b[46:])), int(l.order.Uint16(b[48:]))
	}
	if shnum > 0 && shnum <= binMaxHeaders && (l.shentsize == 40 && !l.wide || l.shentsize == 64 && l.wide) && shoff < 1<<62 {
		l.sections = binSpan{off: int64(shoff), size: int64(shnum * l.shentsize)}
	}
	var readable, code []binSpan
	end := phoff
	for i := 0; i < min(phnum, binMaxHeaders) && phent >= 32 && phoff < uint64(len(b)); i++ {
		at := phoff + uint64(i*phent)
		if at+uint64(phent) > uint64(len(b)) || l.wide && phent < 56 {
			break
		}
		end = at + uint64(phent)
		p := b[at:end]
		const ptLoad, pfX, pfW = 1, 1, 2
		var flags uint32
		var off, addr, filesz uint64
		if l.wide {
			flags, off, addr, filesz = l.order.Uint32(p[4:]), l.order.Uint64(p[8:]), l.order.Uint64(p[16:]), l.order.Uint64(p[32:])
		} else {
			off, addr = uint64(l.order.Uint32(p[4:])), uint64(l.order.Uint32(p[8:]))
			filesz, flags = uint64(l.order.Uint32(p[16:])), l.order.Uint32(p[24:])
		}
		if l.order.Uint32(p) != ptLoad || off >= 1<<62 || filesz >= 1<<62 {
			continue
		}
		span := binSpan{off: int64(off), size: int64(filesz), addr: addr}
		l.loaded = append(l.loaded, span)
		switch {
		case flags&(pfX|pfW) == pfW:
			l.data = append(l.data, span)
		case flags&(pfX|pfW) == 0:
			readable = append(readable, span)
		case flags&pfW == 0:
			code = append(code, span)
		}
	}
	// Where a linker keeps constants with the code there is at most the headers' own
	// segment that is only readable, and constants are looked for in both.
	l.rodata = readable
	if len(readable) < 2 {
		l.rodata = append(readable, code...)
	}
	// UPX writes its l_info right after the program headers of what it packs and
	// drops the section table.
	if end+32 <= uint64(len(b)) && bytes.Contains(b[end:end+32], []byte("UPX!")) && shnum == 0 {
		l.packed = true
	}
}

func (l *binLayout) readPE(b []byte) {
	pe := int64(binary.LittleEndian.Uint32(b[60:]))
	if pe+24 > int64(len(b)) || string(b[pe:pe+4]) != "PE\x00\x00" {
		return
	}
	n, opt := int(l.order.Uint16(b[pe+6:])), int64(l.order.Uint16(b[pe+20:]))
	var imageBase uint64
	if oh := b[pe+24:]; len(oh) >= 32 && opt >= 32 {
		if l.order.Uint16(oh) == 0x20b {
			imageBase = l.order.Uint64(oh[24:])
		} else {
			imageBase = uint64(l.order.Uint32(oh[28:]))
		}
	}
	for i := 0; i < min(n, binMaxHeaders); i++ {
		at := pe + 24 + opt + int64(i)*40
		if at+40 > int64(len(b)) {
			break
		}
		s := b[at : at+40]
		name := string(bytes.TrimRight(s[:8], "\x00"))
		const code, initialized, execute, write = 0x20, 0x40, 0x20000000, 0x80000000
		span := binSpan{
			off: int64(l.order.Uint32(s[20:])), size: int64(l.order.Uint32(s[16:])),
			addr: imageBase + uint64(l.order.Uint32(s[12:])),
		}
		l.loaded = append(l.loaded, span)
		switch flags := l.order.Uint32(s[36:]); {
		case name == ".dep-v0":
			l.dep = append(l.dep, span)
		case flags&execute != 0:
		case flags&write != 0:
			l.data = append(l.data, span)
		case flags&initialized != 0:
			l.rodata = append(l.rodata, span)
		}
		if name == "UPX0" || name == "UPX1" {
			l.packed = true
		}
	}
}

func (l *binLayout) readMachO(b []byte, wide bool) {
	l.wide = wide
	at, n := 28, int(l.order.Uint32(b[16:]))
	if wide {
		at = 32
	}
	for i := 0; i < min(n, binMaxHeaders) && at+8 <= len(b); i++ {
		cmd, size := l.order.Uint32(b[at:]), int64(l.order.Uint32(b[at+4:]))
		if size < 8 || int64(at)+size > int64(len(b)) {
			break
		}
		c := b[at : at+int(size)]
		at += int(size)
		const segment32, segment64, write, execute = 0x1, 0x19, 2, 4
		var span binSpan
		var prot uint32
		var nsect, sect, sectSize int
		switch {
		case cmd == segment64 && len(c) >= 72:
			span = binSpan{off: int64(l.order.Uint64(c[40:])), size: int64(l.order.Uint64(c[48:])), addr: l.order.Uint64(c[24:])}
			prot, nsect, sect, sectSize = l.order.Uint32(c[60:]), int(l.order.Uint32(c[64:])), 72, 80
		case cmd == segment32 && len(c) >= 56:
			span = binSpan{off: int64(l.order.Uint32(c[32:])), size: int64(l.order.Uint32(c[36:])), addr: uint64(l.order.Uint32(c[24:]))}
			prot, nsect, sect, sectSize = l.order.Uint32(c[44:]), int(l.order.Uint32(c[48:])), 56, 68
		default:
			continue
		}
		if span.off < 0 || span.size < 0 || span.size > 1<<62 || span.off > 1<<62 {
			continue
		}
		l.loaded = append(l.loaded, span)
		switch {
		case prot&write != 0 && prot&execute == 0:
			l.data = append(l.data, span)
		case prot&write == 0:
			l.rodata = append(l.rodata, span) // __TEXT holds constants and code
		}
		for j := 0; j < min(nsect, binMaxHeaders) && sect+sectSize <= len(c); j, sect = j+1, sect+sectSize {
			s := c[sect:]
			if string(bytes.TrimRight(s[:16], "\x00")) != ".dep-v0" {
				continue
			}
			if cmd == segment64 {
				l.dep = append(l.dep, binSpan{off: int64(l.order.Uint32(s[48:])), size: int64(min(l.order.Uint64(s[40:]), 1<<62))})
			} else {
				l.dep = append(l.dep, binSpan{off: int64(l.order.Uint32(s[40:])), size: int64(l.order.Uint32(s[36:]))})
			}
		}
	}
}

// offset gives where in the file what is loaded at addr lies; false if nowhere.
func (l *binLayout) offset(addr uint64) (int64, bool) {
	for _, s := range l.loaded {
		if addr >= s.addr && addr-s.addr < uint64(s.size) {
			return s.off + int64(addr-s.addr), true
		}
	}
	return 0, false
}

// writable reports whether offset off is in writable data, where linkers put what a
// program says about itself; constants may be another program's, carried along.
func (l *binLayout) writable(off int64) bool {
	for _, s := range l.data {
		if s.has(off) {
			return true
		}
	}
	return false
}
