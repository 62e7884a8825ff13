package checks

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-ci/holdfast/checks/flow"
	"github.com/holdfast-ci/holdfast/checks/scan"
	"github.com/holdfast-ci/holdfast/runner"
)

// cFamily are the extensions of files that package scan understands.
func cFamily(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".c", ".h", ".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h++", ".ipp", ".inl", ".tpp", ".m", ".mm", ".metal", ".cu", ".cuh":
		return true
	}
	return false
}

// source is one file being examined. What is made of it is made once, when the first
// rule asks, and shared by the rules.
type source struct {
	name      string
	c         bool       // a file of the C family
	scanned   *scan.File // made when a rule asks
	lined     *scan.File // lines alone
	found     map[string][]occurrence
	graphs    map[string]map[int]drawn
	skimmed   *scan.Skimmed
	memory    *memory
	begin     runner.Evidence
	words     *literals // present tells which are in the file; nil if that is not known
	present   []bool
	views     map[scan.View][]byte
	code      []int32
	structure *scan.Structure
	followed  []*flow.File // one for each configuration
	wholly    bool         // they show all of it
	raw       []byte
	all       []string // files of the checkout
	history   func(names []string) (time.Time, error)
}

// doubtful reports whether the file cannot be read with certainty.
func (s *source) doubtful() bool {
	return !s.skim().Clean && len(s.file().Problems) > 0
}

// skim reads the file quickly, for what needs no tokens.
func (s *source) skim() *scan.Skimmed {
	if s.skimmed == nil {
		s.skimmed = s.memory.skimmed().Skim(s.raw)
	}
	return s.skimmed
}

// memory is what one file leaves to the next. nil keeps nothing.
type memory struct {
	tokens scan.Buffer
	skim   scan.Skimmed
	views  [][]byte // free ones
}

func (m *memory) skimmed() *scan.Skimmed {
	if m == nil {
		return nil
	}
	return &m.skim
}

// view is memory for one view.
func (m *memory) view() []byte {
	if m == nil || len(m.views) == 0 {
		return nil
	}
	v := m.views[len(m.views)-1]
	m.views = m.views[:len(m.views)-1]
	return v
}

// done gives back the memory of a file that nobody looks at any more.
func (s *source) done() {
	if s.memory == nil {
		return
	}
	for _, v := range s.views {
		s.memory.views = append(s.memory.views, v)
	}
}

// lines knows where the lines of the file are.
func (s *source) lines() *scan.File {
	if s.scanned != nil {
		return s.scanned
	}
	if s.lined == nil {
		s.lined = scan.Plain(s.raw)
	}
	return s.lined
}

// mayHave reports whether each of the words is in the bytes of the file.
func (s *source) mayHave(words [][]byte) bool {
	for i := range words {
		if !s.mayContain(words[i : i+1]) {
			return false
		}
	}
	return true
}

// lacksAny reports whether one of the words is surely no token of the file.
func (s *source) lacksAny(words [][]byte) bool {
	if !s.c {
		return false
	}
	if !s.mayHave(words) {
		return true
	}
	k := s.skim()
	return k.Clean && slices.ContainsFunc(words, k.Lacks)
}

// file returns the tokens of the file, or its lines alone for what is not of the C family.
func (s *source) file() *scan.File {
	if s.scanned == nil {
		if s.c {
			var b *scan.Buffer
			if s.memory != nil {
				b = &s.memory.tokens
			}
			s.scanned = b.Scan(s.raw)
		} else {
			s.scanned = scan.Plain(s.raw)
		}
	}
	return s.scanned
}

// first is the begin of the file as a place.
func (s *source) first() runner.Evidence {
	if s.begin.File == "" {
		line := s.raw
		if i := bytes.IndexAny(line, "\r\n"); i >= 0 {
			line = line[:i]
		}
		s.begin = runner.Evidence{File: s.name, Line: 1, Column: 1, Text: lineText(scan.Plain(line), 1)}
	}
	return s.begin
}

func newSource(name string, text []byte) (*source, error) {
	if len(text) >= 2 && (text[0] == 0xFF && text[1] == 0xFE || text[0] == 0xFE && text[1] == 0xFF) {
		return nil, errors.New("UTF-16 text: no pattern would match; convert it to UTF-8")
	}
	s := &source{name: name, c: cFamily(name), raw: text, views: map[scan.View][]byte{}}
	return s, nil
}

// view returns the text of a view; "" is the default for the language.
func (s *source) view(v scan.View) ([]byte, error) {
	switch {
	case v == scan.Raw || v == "" && !s.c:
		return s.raw, nil
	case !s.c:
		return nil, fmt.Errorf("no view %q of this language: use view = \"raw\"", v)
	case v == "":
		v = scan.Code
	}
	if err := s.lexical(); err != nil {
		return nil, err
	}
	out, ok := s.views[v]
	if !ok {
		if k := s.skim(); k.Clean && k.Plain {
			out = k.View(v, s.memory.view())
		} else {
			out = s.file().View(v)
		}
		s.views[v] = out
	}
	return out, nil
}

// lexical says why the tokens of the file cannot be trusted.
func (s *source) lexical() error {
	if s.doubtful() {
		return problemError(s.file().Problems)
	}
	return nil
}

func problemError(ps []scan.Problem) error {
	more := ""
	if len(ps) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(ps)-1)
	}
	return &placeError{line: ps[0].Line, column: ps[0].Column, text: ps[0].Text + more}
}

// placeError is something in a file that keeps a rule from being judged.
type placeError struct {
	line, column int
	text         string
}

func (e *placeError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.text) }

// shows reports whether a pattern can be asked of the view of this file at all.
func (s *source) shows(m matcher, v scan.View) bool {
	return s.c || m.tokens == nil && (v == "" || v == scan.Raw)
}

func (s *source) tokens() ([]int32, error) {
	if !s.c {
		return nil, errors.New("tokens are known for the C family only: use pattern")
	}
	if err := s.lexical(); err != nil {
		return nil, err
	}
	if s.code == nil {
		s.code = s.file().Code()
	}
	return s.code, nil
}

func (s *source) functions() (*scan.Structure, error) {
	if !s.c {
		return nil, errors.New("functions are known for the C family only")
	}
	if s.structure == nil {
		s.structure = s.file().Structure()
	}
	return s.structure, nil
}
