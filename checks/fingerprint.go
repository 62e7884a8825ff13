package checks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
	"unicode"

	"github.com/holdfast-ci/holdfast/checks/scan"
	"github.com/holdfast-ci/holdfast/runner"
)

// Scheme names how violations are fingerprinted. Any change of what goes into the hash
// needs another name: stored fingerprints of the old one are then not compared with.
//
// A fingerprint is CONTENT.PATH.N: a hash of the rule's id, the name of the function around
// the match and the tokens that matched (white space and comments do not count); a hash
// of the file's path, "-" if there is none; and a number that tells equal ones apart. No
// line number is in it, so that a violation keeps its name when code moves around it.
const Scheme = "match/2"

// lack is a violation that is no place in a source: something is missing.
type lack struct {
	key   string // what is missing, in words that do not depend on the other files
	file  string // "" if it is missing in all of them
	line  int    // of the evidence that shows it; 0 for none
	print string // its fingerprint
}

// lack notes n violations of one key at no place.
func (r *row) lack(key string, n int) {
	for range n {
		r.lacks = append(r.lacks, lack{key: key})
	}
}

// lacking notes what the units that a rule complains of have too little of. A unit that
// has too much shows it by its hits.
func (r *row) lacking(c *compiled, wrong []unit) {
	switch c.Kind {
	case KindMatch, KindWithin:
		for _, u := range wrong {
			for _, text := range c.unmet(u) {
				r.lacks = append(r.lacks, lack{key: "match " + text, file: u.head.File, line: u.head.Line})
			}
		}
	case KindCount:
		if c.Min == nil || !slices.ContainsFunc(wrong, func(u unit) bool { return u.total() < *c.Min }) {
			return
		}
		for _, u := range wrong {
			n, key := *c.Min-u.total(), "too few"
			if n < 0 {
				n, key = u.total()-*c.Max, "too many"
			}
			for range n {
				r.lacks = append(r.lacks, lack{key: key, file: u.head.File, line: u.head.Line})
			}
		}
	}
}

// open are the fingerprints of the violations that are not acknowledged.
func (r *row) open() []string {
	var out []string
	for _, l := range r.lacks {
		out = append(out, l.print)
	}
	if len(r.lacks) == 0 {
		for _, e := range r.Evidence {
			out = append(out, e.Fingerprint)
		}
		if len(r.Evidence) == 0 && r.whole != "" {
			out = append(out, r.whole)
		}
		if r.cut > 0 {
			out = append(out, "")
		}
	}
	return out
}

// printer names violations. It reads the files of failing rules once more, which is
// cheap: few rules fail.
type printer struct {
	t     *tree
	files map[string]*printed
	held  int // bytes of files
}

// maxHeld bounds the files that a printer keeps.
const maxHeld = 64 << 20

type printed struct {
	file  *scan.File // nil if it cannot be read
	c     bool
	funcs []scan.Function
	heads []int // offset of each function's head
	known bool  // funcs is filled
}

func newPrinter(t *tree) *printer { return &printer{t: t, files: map[string]*printed{}} }

func (p *printer) file(name string) *printed {
	if f, ok := p.files[name]; ok {
		return f
	}
	f := &printed{c: cFamily(name)}
	text, err := p.t.read(name, maxFile)
	if p.held += len(text); p.held > maxHeld {
		clear(p.files)
		p.held = len(text)
	}
	switch {
	case err != nil:
	case f.c:
		f.file = scan.Scan(text)
	default:
		f.file = scan.Plain(text)
	}
	p.files[name] = f
	return f
}

// function is the name of the function around an offset, "" for none. What is known of a
// file whose brackets do not match is good enough for a name.
func (f *printed) function(offset int) string {
	if !f.c {
		return ""
	}
	if !f.known {
		f.known = true
		f.funcs = f.file.Structure().Functions
		for _, fn := range f.funcs {
			at, _ := f.file.Offset(fn.Line, fn.Column)
			f.heads = append(f.heads, at)
		}
	}
	name := ""
	for i, fn := range f.funcs {
		if f.heads[i] <= offset && offset < fn.End {
			name = fn.Name
		}
	}
	return name
}

// maxLoose is how many tokens stand for a match whose end is not known.
const maxLoose = 40

// text is what stands at a place, without what layout alone decides.
func (f *printed) text(from, to int) string {
	if !f.c {
		if to <= from {
			to = f.lineEnd(from)
		}
		return collapse(f.file.Src[from:to])
	}
	tokens := f.file.Tokens
	i := sort.Search(len(tokens), func(i int) bool { return tokens[i].End() > from })
	if i == len(tokens) {
		return ""
	}
	switch k := tokens[i].Kind; {
	case k == scan.Comment || (k == scan.String || k == scan.Char) && int(tokens[i].Offset) < from:
		if to <= from {
			to = min(f.lineEnd(from), tokens[i].End())
		}
		return collapse(f.file.Src[from:to])
	}
	var b strings.Builder
	for n := 0; i < len(tokens); i++ {
		t := tokens[i]
		if to > from && int(t.Offset) >= to || to <= from && n == maxLoose {
			break
		}
		if t.Kind == scan.Space || t.Kind == scan.Comment {
			continue
		}
		text := f.file.Text(t)
		b.Write(text)
		b.WriteByte(' ')
		n++
		if to <= from && len(text) == 1 && strings.IndexByte(";{}", text[0]) >= 0 {
			break
		}
	}
	return b.String()
}

func (f *printed) lineEnd(from int) int {
	end := from
	for end < len(f.file.Src) && f.file.Src[end] != '\n' && f.file.Src[end] != '\r' {
		end++
	}
	return end
}

func collapse(text []byte) string { return strings.Join(strings.Fields(string(text)), " ") }

// print fills in the fingerprints of a row that does not pass, and where its places begin
// and end for who shows them.
func (p *printer) print(r *row) {
	if r.Outcome != runner.Fail && r.Outcome != runner.Warn {
		return
	}
	times := map[string]int{}
	number := func(content, file string) string {
		where := "-"
		if file != "" {
			where = pathHash(file)
		}
		k := content + "." + where
		times[k]++
		return fmt.Sprintf("%s.%d", k, times[k])
	}
	for i := range r.lacks {
		l := &r.lacks[i]
		fn := ""
		if f := p.lookup(l.file); f != nil && l.line > 0 {
			if at, ok := f.file.Offset(l.line, 1); ok {
				fn = f.function(f.lineEnd(at))
			}
		}
		l.print = number(contentHash(r.ID, "lack", l.key, fn), l.file)
	}
	for i := range r.Evidence {
		e := &r.Evidence[i]
		f := p.lookup(e.File)
		text, fn := e.Text, ""
		if f != nil {
			if from, ok := f.file.Offset(e.Line, e.Column); ok {
				to, ok := f.file.Offset(e.EndLine, e.EndColumn)
				if !ok {
					to = from
				}
				text, fn = f.text(from, to), f.function(from)
				e.Indent = indent(f.file.Line(e.Line))
				if to <= from {
					e.EndLine, e.EndColumn = f.shown(from)
				}
			}
		}
		if len(r.lacks) == 0 {
			e.Fingerprint = number(contentHash(r.ID, "match", fn, text), e.File)
		}
	}
	for _, l := range slices.Backward(r.lacks) {
		if e := r.shows(l); e != nil {
			e.Fingerprint = l.print
		}
	}
	if len(r.lacks) == 0 && len(r.Evidence) == 0 {
		r.whole = number(contentHash(r.ID, "whole", r.Reason), "")
	}
	r.Violations = r.open()
	slices.Sort(r.Violations)
}

// shows is the place of a lack: the first on its line. The others of a rule that misses
// something only show what is there. It is nil if the lack is at no place.
func (r *row) shows(l lack) *runner.Evidence {
	i := slices.IndexFunc(r.Evidence, func(e runner.Evidence) bool { return l.line > 0 && l.file == e.File && l.line == e.Line })
	if i < 0 {
		return nil
	}
	return &r.Evidence[i]
}

// lookup is the file of that name, nil if it cannot be read.
func (p *printer) lookup(name string) *printed {
	if name == "" {
		return nil
	}
	if f := p.file(name); f.file != nil {
		return f
	}
	return nil
}

// shown is the end of the token at an offset, for a caret below it.
func (f *printed) shown(from int) (line, column int) {
	to := from
	if f.c {
		tokens := f.file.Tokens
		if i := sort.Search(len(tokens), func(i int) bool { return tokens[i].End() > from }); i < len(tokens) && tokens[i].Kind != scan.Space {
			to = min(tokens[i].End(), f.lineEnd(from))
		}
	}
	return f.file.Position(max(to, from))
}

// indent counts the bytes that strings.TrimSpace takes off the start of a line.
func indent(line []byte) int { return len(line) - len(bytes.TrimLeftFunc(line, unicode.IsSpace)) }

func contentHash(parts ...string) string {
	h := sha256.New()
	for _, s := range append([]string{Scheme}, parts...) {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func pathHash(name string) string {
	sum := sha256.Sum256([]byte(path.Clean(name)))
	return hex.EncodeToString(sum[:4])
}
