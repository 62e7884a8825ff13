package proofs

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// pair is the hash of something, made in two ways: sum is SHA-256 and identifies it, digest
// is what the inventory program computes as well, from its own data and by its own code.
type pair struct {
	sum    [sha256.Size]byte
	digest uint64
}

// text is the hash as it is stored: 160 bits in hex.
func (p pair) text() string { return hex.EncodeToString(p.sum[:20]) }

// mix is the step of a digest. inventory.lean has the same.
func mix(a, b uint64) uint64 {
	h := ((a<<7 | a>>57) ^ b) * 0x9E3779B97F4A7C15
	return h ^ h>>29
}

func digestText(s string) uint64 {
	h := uint64(11)
	for i := range len(s) {
		h = mix(h, uint64(s[i]))
	}
	return h
}

// sum hashes a tag and parts of a fixed number and length, so that no two lists of parts
// look alike.
type sum struct{ buf []byte }

func (s *sum) start(tag byte) { s.buf = append(s.buf[:0], tag) }
func (s *sum) number(n uint64) {
	s.buf = binary.LittleEndian.AppendUint64(s.buf, n)
}
func (s *sum) part(p *pair)           { s.buf = append(s.buf, p.sum[:]...) }
func (s *sum) text(t string)          { s.number(uint64(len(t))); s.buf = append(s.buf, t...) }
func (s *sum) end() [sha256.Size]byte { return sha256.Sum256(s.buf) }

// hasher hashes names, levels and terms of one table. What has no universe parameter in it
// is hashed once; the rest once for each list of parameters, which count by position, so
// that a renamed universe changes nothing.
type hasher struct {
	t     *terms
	names []pair // of the names so far
	s     sum

	// content is what a constant counts as instead of its name; see [meanings].
	content map[int32]pair

	plain  []*page        // of nodes without parameters
	params map[string]int // lists of parameters, by content
	open   []map[int32]pair

	stack, parts []int32 // scratch space of term
}

// page holds the hashes of some nodes. Of an export, most of which is proofs and libraries,
// only few pages are needed.
type page struct {
	done [pageSize]bool
	pair [pageSize]pair
}

const pageSize = 128

func newHasher(t *terms) *hasher {
	return &hasher{t: t, content: map[int32]pair{}, params: map[string]int{}}
}

// forget drops what was hashed when contents were others.
func (h *hasher) forget() {
	h.plain, h.open = nil, nil
	clear(h.params)
}

// name hashes a name by its components.
func (h *hasher) name(i int32) *pair {
	for n := len(h.names); n <= int(i); n++ { // parents come first
		e := &h.t.names[n]
		var p pair
		switch {
		case n == 0:
			h.s.start(1)
			p.digest = 7
		case e.numeric:
			h.s.start(3)
			h.s.part(&h.names[e.parent])
			h.s.text(e.text)
			k, _ := strconv.ParseUint(e.text, 10, 64)
			p.digest = mix(mix(h.names[e.parent].digest, 2), k)
		default:
			h.s.start(2)
			h.s.part(&h.names[e.parent])
			h.s.text(e.text)
			p.digest = mix(mix(h.names[e.parent].digest, 1), digestText(e.text))
		}
		p.sum = h.s.end()
		h.names = append(h.names, p)
	}
	return &h.names[i]
}

// scope is a list of universe parameters in which terms are hashed.
type scope struct {
	params []int32
	memo   map[int32]pair
}

func (h *hasher) scope(params []int32) scope {
	if len(params) == 0 {
		return scope{}
	}
	key := make([]byte, 0, 4*len(params))
	for _, p := range params {
		key = binary.LittleEndian.AppendUint32(key, uint32(p))
	}
	i, ok := h.params[string(key)]
	if !ok {
		i = len(h.open)
		h.params[string(key)] = i
		h.open = append(h.open, map[int32]pair{})
	}
	return scope{params, h.open[i]}
}

func (h *hasher) level(i int32, in scope) pair {
	e := h.t.levels[i]
	var a, b pair
	switch e.kind {
	case 'S':
		a = h.level(e.a, in)
	case 'M', 'I':
		a, b = h.level(e.a, in), h.level(e.b, in)
	}
	var p pair
	h.s.start(20 + e.kind - '0')
	switch e.kind {
	case 'S':
		h.s.part(&a)
		p.digest = mix(22, a.digest)
	case 'M':
		h.s.part(&a)
		h.s.part(&b)
		p.digest = mix(mix(23, a.digest), b.digest)
	case 'I':
		h.s.part(&a)
		h.s.part(&b)
		p.digest = mix(mix(24, a.digest), b.digest)
	case 'P':
		// By position. One that is not declared cannot pass the kernel; it counts by name.
		at := -1
		for k, q := range in.params {
			if q == e.a {
				at = k
				break
			}
		}
		if at >= 0 {
			h.s.number(uint64(at))
			p.digest = mix(25, mix(mix(7, 1), digestText("u"+strconv.Itoa(at))))
		} else {
			n := h.name(e.a)
			h.s.start(19)
			h.s.part(n)
			p.digest = mix(25, n.digest)
		}
	default:
		p.digest = 21
	}
	p.sum = h.s.end()
	return p
}

// term hashes a term without recursion: a term may be as deep as it is long. A chain of
// applications, or of binders of one kind, is hashed as one node.
func (h *hasher) term(root int32, in scope) pair {
	if p, ok := h.known(root, in); ok {
		return p
	}
	h.plain = append(h.plain, make([]*page, max(0, (len(h.t.nodes)+pageSize-1)/pageSize-len(h.plain)))...)
	h.stack = append(h.stack[:0], root)
	for len(h.stack) > 0 {
		i := h.stack[len(h.stack)-1]
		n := &h.t.nodes[i]
		h.parts = h.parts[:0]
		switch n.kind {
		case 'a': // head last
			at := i
			for ; h.t.nodes[at].kind == 'a'; at = h.t.nodes[at].a {
				h.parts = append(h.parts, h.t.nodes[at].b)
			}
			h.parts = append(h.parts, at)
		case 'l', 'p': // body last
			at := i
			for ; h.t.nodes[at].kind == n.kind; at = h.t.nodes[at].b {
				h.parts = append(h.parts, h.t.nodes[at].a)
			}
			h.parts = append(h.parts, at)
		case 'z':
			h.parts = append(h.parts, n.a, n.b, n.c)
		case 'j':
			h.parts = append(h.parts, n.c)
		}
		before := len(h.stack)
		for _, c := range h.parts {
			if _, ok := h.known(c, in); !ok {
				h.stack = append(h.stack, c)
			}
		}
		if len(h.stack) > before {
			continue
		}
		h.stack = h.stack[:before-1]
		p := h.node(n, in)
		if n.params && in.memo != nil {
			in.memo[i] = p
		} else {
			at := &h.plain[i/pageSize]
			if *at == nil {
				*at = new(page)
			}
			(*at).pair[i%pageSize], (*at).done[i%pageSize] = p, true
		}
	}
	p, _ := h.known(root, in)
	return p
}

func (h *hasher) known(i int32, in scope) (pair, bool) {
	if h.t.nodes[i].params && in.memo != nil {
		p, ok := in.memo[i]
		return p, ok
	}
	if k := int(i / pageSize); k < len(h.plain) && h.plain[k] != nil && h.plain[k].done[i%pageSize] {
		return h.plain[k].pair[i%pageSize], true
	}
	return pair{}, false
}

// node hashes one term whose parts (h.parts) are known.
func (h *hasher) node(n *term, in scope) pair {
	child := func(i int32) pair { p, _ := h.known(i, in); return p }
	var p pair
	switch n.kind {
	case 'v':
		h.s.start(41)
		h.s.number(uint64(n.a))
		p.digest = mix(41, uint64(n.a))
	case 's':
		l := h.level(n.a, in)
		h.s.start(42)
		h.s.part(&l)
		p.digest = mix(42, l.digest)
	case 'c':
		ref := h.reference(n.a)
		p.digest = mix(43, ref.digest)
		levels := make([]pair, n.c)
		for k := range levels {
			levels[k] = h.level(h.t.args[int(n.b)+k], in)
			p.digest = mix(p.digest, levels[k].digest)
		}
		h.s.start(43)
		h.s.part(&ref)
		h.s.number(uint64(n.c))
		for k := range levels {
			h.s.part(&levels[k])
		}
	case 'a', 'l', 'p':
		tag := byte(44)
		if n.kind == 'l' {
			tag = 45
		} else if n.kind == 'p' {
			tag = 46
		}
		last := child(h.parts[len(h.parts)-1])
		h.s.start(tag)
		h.s.number(uint64(len(h.parts)))
		h.s.part(&last)
		p.digest = last.digest
		for k := len(h.parts) - 2; k >= 0; k-- {
			c := child(h.parts[k])
			h.s.part(&c)
			if n.kind == 'a' {
				p.digest = mix(mix(44, p.digest), c.digest)
			} else {
				p.digest = mix(mix(uint64(tag), c.digest), p.digest)
			}
		}
	case 'z':
		a, b, c := child(n.a), child(n.b), child(n.c)
		h.s.start(47)
		h.s.part(&a)
		h.s.part(&b)
		h.s.part(&c)
		p.digest = mix(mix(mix(47, a.digest), b.digest), c.digest)
	case 'n', 't':
		tag := byte(48)
		if n.kind == 't' {
			tag = 49
		}
		h.s.start(tag)
		h.s.text(h.t.texts[n.a])
		p.digest = mix(uint64(tag), digestText(h.t.texts[n.a]))
	case 'j':
		s, c := *h.name(n.a), child(n.c)
		h.s.start(50)
		h.s.part(&s)
		h.s.number(uint64(n.b))
		h.s.part(&c)
		p.digest = mix(mix(mix(50, s.digest), uint64(n.b)), c.digest)
	}
	p.sum = h.s.end()
	return p
}

// reference hashes what a constant counts as: its content, or its name.
func (h *hasher) reference(name int32) pair {
	var p pair
	if c, ok := h.content[name]; ok {
		h.s.start(31)
		h.s.part(&c)
		p.digest = mix(31, c.digest)
	} else {
		n := h.name(name)
		h.s.start(32)
		h.s.part(n)
		p.digest = mix(32, n.digest)
	}
	p.sum = h.s.end()
	return p
}
