// Package scan reads the C family of languages (C, C++, Objective-C, Objective-C++,
// Metal) as tokens: enough to tell code from comments and strings, to match brackets, to
// find where a function begins and ends and in what order its code may run. It does not preprocess, resolve names or
// know types.
//
// [Scan] takes the bytes of one file and never fails: whatever it cannot read properly
// is a [Problem] with its place, and a caller that needs to be sure treats a file with
// problems as not understood. Every byte of the input belongs to exactly one token, in
// order, so positions of tokens and of matches in a [View] are positions in the source.
//
// What is left out on purpose: macros are not expanded (a macro that hides a bracket
// makes the file's structure incomplete), trigraphs are not known, and of #if only
// conditions that are constant or __cplusplus are decided.
package scan

import "sort"

// Kind says what a token is.
type Kind uint8

// Kinds of tokens.
const (
	Space   Kind = iota // white space, line ends, line splices, a byte order mark
	Comment             // one // or /* */ comment
	Ident               // identifier or keyword
	At                  // Objective-C keyword with its sign: @interface
	Number              // preprocessing number, with digit separators and suffixes
	String              // "…", L"…", R"x(…)x", @"…", with prefix and quotes
	Char                // 'c', L'c'
	Punct               // operator or punctuation; also any byte that fits nowhere else
)

// Token is one token of a file. Its bytes are Src[Offset:Offset+Len].
type Token struct {
	Offset int32
	Len    int32
	Line   int32 // 1-based
	Column int32 // 1-based, in bytes; a byte order mark does not count
	Kind   Kind
	// Directive is set for tokens of a preprocessor line, its # included.
	Directive bool
	// Dead is set for tokens in a branch that never compiles (#if 0).
	Dead bool
}

// End is the offset behind the token.
func (t Token) End() int { return int(t.Offset) + int(t.Len) }

// Problem is a place where the file could not be read with certainty.
type Problem struct {
	Line   int // 1-based
	Column int // 1-based, in bytes
	Text   string
}

// File is one scanned file.
type File struct {
	Src    []byte
	Tokens []Token
	// Problems are lexical: a comment or string without end. The views cannot be
	// trusted behind one.
	Problems []Problem

	lines  []int32 // offset of the first byte of each line
	hashes []int32 // indices of the tokens # that begin a preprocessor line
	conds  []directive
	asked  bool // conds is filled
	memory *Buffer
}

// Position returns line and column, both 1-based, of a byte offset.
func (f *File) Position(offset int) (line, column int) {
	i := sort.Search(len(f.lines), func(i int) bool { return int(f.lines[i]) > offset })
	if i == 0 { // inside the byte order mark
		return 1, 1
	}
	return i, offset - int(f.lines[i-1]) + 1
}

// Line returns the text of a line (1-based) without its end, or nil if there is none.
func (f *File) Line(n int) []byte {
	if n < 1 || n > len(f.lines) {
		return nil
	}
	start, end := int(f.lines[n-1]), len(f.Src)
	if n < len(f.lines) {
		end = int(f.lines[n])
	}
	for end > start && (f.Src[end-1] == '\n' || f.Src[end-1] == '\r') {
		end--
	}
	return f.Src[start:end]
}

// Lines is the number of lines. A last line without line end counts.
func (f *File) Lines() int { return len(f.lines) }

// Text returns the bytes of a token.
func (f *File) Text(t Token) []byte { return f.Src[t.Offset:t.End()] }

// Plain returns a File without tokens: lines and positions only. It serves languages
// that this package does not scan.
func Plain(src []byte) *File {
	f := &File{Src: src, memory: new(Buffer)}
	start := bom(src)
	f.lines = append(f.lines, int32(start))
	for i := start; i < len(src); i++ {
		if n := newline(src, i); n > 0 {
			i += n - 1
			if i+1 < len(src) {
				f.lines = append(f.lines, int32(i+1))
			}
		}
	}
	return f
}

// bom is the length of a UTF-8 byte order mark at the start of src.
func bom(src []byte) int {
	if len(src) >= 3 && src[0] == 0xEF && src[1] == 0xBB && src[2] == 0xBF {
		return 3
	}
	return 0
}

// newline is the length of the line end at src[i], 0 if there is none. A lone carriage
// return ends a line, as it does for clang: what follows a // comment there is code.
func newline(src []byte, i int) int {
	switch {
	case src[i] == '\n':
		return 1
	case src[i] == '\r' && i+1 < len(src) && src[i+1] == '\n':
		return 2
	case src[i] == '\r':
		return 1
	}
	return 0
}

// significant reports whether a token is part of the program: neither space nor comment
// nor in a branch that never compiles.
func (t Token) significant() bool { return t.Kind > Comment && !t.Dead }
