package scan

import "bytes"

// View names a way to look at a file. All views have the length and the line ends of the
// source, so an offset in a view is an offset in the source: what a view leaves out is
// replaced by spaces.
type View string

// Views.
const (
	Code        View = "code"         // no comments, no contents of strings and characters, nothing under #if 0
	CodeStrings View = "code+strings" // no comments, nothing under #if 0
	Comments    View = "comments"     // nothing but comments
	Raw         View = "raw"          // the source itself
)

// View returns the source seen through v. For Raw it is Src itself; it must not be
// changed in any case.
func (f *File) View(v View) []byte {
	if v == Raw {
		return f.Src
	}
	out := make([]byte, len(f.Src))
	copy(out, f.Src)
	for _, t := range f.Tokens {
		switch {
		case t.Kind == Space:
			if i := bytes.IndexByte(out[t.Offset:t.End()], '\\'); i >= 0 && v == Comments { // a splice
				out[int(t.Offset)+i] = ' '
			}
		case v == Comments:
			if t.Kind != Comment {
				blank(out[t.Offset:t.End()])
			}
		case t.Kind == Comment || t.Dead:
			blank(out[t.Offset:t.End()])
		case v == Code && (t.Kind == String || t.Kind == Char):
			blankContent(out[t.Offset:t.End()])
		}
	}
	return out
}

// blank overwrites all but line ends.
func blank(p []byte) {
	for i, c := range p {
		if c != '\n' && c != '\r' {
			p[i] = ' '
		}
	}
}

// blankContent keeps prefix and quotes of a literal.
func blankContent(p []byte) {
	open := 0
	for open < len(p) && p[open] != '"' && p[open] != '\'' {
		open++
	}
	end := len(p)
	if end-1 > open && p[end-1] == p[open] {
		end--
	}
	if open < end {
		blank(p[open+1 : end])
	}
}
