package proofs

import "slices"

// interner adds to a table of terms what is not in it yet. Exports of several parts of a
// project repeat what they have in common, and terms that differ only in what is not kept
// (binder names, metadata) become one.
type interner struct {
	t      *terms
	levels map[levelEntry]int32
	slots  []int32 // nodes by hash, +1; open addressing, a power of two
}

func newInterner(t *terms) *interner {
	return &interner{t: t, levels: map[levelEntry]int32{}, slots: make([]int32, 1<<10)}
}

func (in *interner) name(parent int32, text string, numeric bool) (int32, error) {
	if i, ok := in.t.known[nameEntry{parent, numeric, text}]; ok {
		return i, nil
	}
	return in.t.addName(parent, text, numeric)
}

func (in *interner) level(kind byte, a, b int32) (int32, error) {
	e := levelEntry{kind: kind, a: a, b: b}
	if i, ok := in.levels[e]; ok {
		return i, nil
	}
	i, err := in.t.addLevel(kind, a, b)
	if err == nil {
		in.levels[e] = i
	}
	return i, err
}

// node adds a term. levels are those of a constant, text is that of a literal.
func (in *interner) node(n term, levels []int32, text string) (int32, error) {
	if 4*len(in.t.nodes) >= 3*len(in.slots) {
		in.grow()
	}
	mask := uint64(len(in.slots) - 1)
	slot := hashNode(&n, levels, text) & mask
	for ; in.slots[slot] != 0; slot = (slot + 1) & mask {
		if i := in.slots[slot] - 1; in.same(&in.t.nodes[i], &n, levels, text) {
			return i, nil
		}
	}
	var i int32
	var err error
	switch n.kind {
	case 'c':
		i, err = in.t.addConst(n.a, levels)
	case 'n', 't':
		i = in.t.addLiteral(n.kind, text)
	default:
		i, err = in.t.addTerm(n.kind, n.a, n.b, n.c)
	}
	if err == nil {
		in.slots[slot] = i + 1
	}
	return i, err
}

func (in *interner) same(old, n *term, levels []int32, text string) bool {
	if old.kind != n.kind {
		return false
	}
	switch n.kind {
	case 'c':
		return old.a == n.a && slices.Equal(in.t.args[old.b:old.b+old.c], levels)
	case 'n', 't':
		return in.t.texts[old.a] == text
	}
	return old.a == n.a && old.b == n.b && old.c == n.c
}

func (in *interner) grow() {
	in.slots = make([]int32, 2*len(in.slots))
	mask := uint64(len(in.slots) - 1)
	for i := range in.t.nodes {
		n := &in.t.nodes[i]
		var levels []int32
		text := ""
		switch n.kind {
		case 'c':
			levels = in.t.args[n.b : n.b+n.c]
		case 'n', 't':
			text = in.t.texts[n.a]
		}
		slot := hashNode(n, levels, text) & mask
		for in.slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		in.slots[slot] = int32(i) + 1
	}
}

func hashNode(n *term, levels []int32, text string) uint64 {
	h := uint64(n.kind)
	switch n.kind {
	case 'c':
		h = mix(h, uint64(n.a))
		for _, l := range levels {
			h = mix(h, uint64(l))
		}
	case 'n', 't':
		h = mix(h, digestText(text))
	default:
		h = mix(mix(mix(h, uint64(n.a)), uint64(n.b)), uint64(n.c))
	}
	return h ^ h>>32
}
