package scan

// Scan splits src, which must be smaller than 2 GiB and must not change afterwards, into
// tokens.
func Scan(src []byte) *File { return new(Buffer).Scan(src) }

// Buffer keeps the memory of one File for the next. The zero value is ready.
type Buffer struct {
	tokens []Token
	lines  []int32
	hashes []int32

	code, partner, sig, pos, calls []int32
	scopes                         []Scope
	graphs                         []int32 // of which a Graph takes stretches
	scratch                        []int32 // of the Graph that is being built
}

// ints is a slice of n numbers in the memory of p, whatever they are; nil for a nil p.
func ints(p *[]int32, n int) []int32 {
	if cap(*p) < n {
		*p = make([]int32, n+n/4)
	}
	return (*p)[:n]
}

// stretch is a slice of n numbers, whatever they are, that nobody else has while the File
// is used.
func (b *Buffer) stretch(n int) []int32 {
	from := len(b.graphs)
	if cap(b.graphs)-from < n {
		b.graphs, from = make([]int32, 0, max(2*cap(b.graphs), 4*n, 1<<12)), 0
	}
	b.graphs = b.graphs[:from+n]
	return b.graphs[from : from+n : from+n]
}

// Scan is the function Scan with the memory of the File that it returned last, which must
// not be used any more. A nil buffer keeps nothing.
func (b *Buffer) Scan(src []byte) *File {
	if b == nil {
		b = new(Buffer)
	}
	if b.tokens == nil {
		b.tokens, b.lines = make([]Token, 0, len(src)/4+8), make([]int32, 0, len(src)/32+8)
	}
	b.graphs = b.graphs[:0]
	x := &lexer{src: src, line: 1, f: &File{Src: src, Tokens: b.tokens[:0], lines: b.lines[:0], hashes: b.hashes[:0], memory: b}}
	defer func() { b.tokens, b.lines, b.hashes = x.f.Tokens, x.f.lines, x.f.hashes }()
	x.start = bom(src)
	x.f.lines = append(x.f.lines, int32(x.start))
	if x.start > 0 {
		x.f.Tokens = append(x.f.Tokens, Token{Len: int32(x.start), Line: 1, Column: 1})
	}
	x.pos, x.fresh = x.start, true
	for x.pos < len(src) {
		if len(x.f.Tokens) == maxTokens {
			x.directive = false
			x.problem("more tokens than any source written by hand has", false)
			x.emit(Comment, len(src))
			break
		}
		x.next()
	}
	if n := len(x.f.lines); n > 1 && int(x.f.lines[n-1]) == len(src) {
		x.f.lines = x.f.lines[:n-1] // a final line end starts no line
	}
	x.f.markDead()
	x.report()
	return x.f
}
