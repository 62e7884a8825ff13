package checks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-ci/holdfast/checks/flow"
	"github.com/holdfast-ci/holdfast/checks/scan"
	"github.com/holdfast-ci/holdfast/runner"
)

// maxFile is the largest file that is read. Sources are smaller by far; what is larger
// was not written by hand and is reported, not skipped.
const maxFile = 16 << 20

// tree is the checkout. Nothing outside of it is ever opened: the operating system's own
// check of each path is used (os.Root), not a comparison of names.
type tree struct {
	root  *os.Root
	files []string // regular files and links, slash-separated, sorted
	// history tells when one of some files was changed last; nil if that is not known.
	history func(names []string) (time.Time, error)
}

// openTree opens a checkout and lists its files, those in folders whose name begins with
// a dot left out.
func openTree(ctx context.Context, dir string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open checkout: %w", err)
	}
	t := &tree{root: root}
	if err := t.list(ctx, false); err != nil {
		root.Close()
		return nil, err
	}
	return t, nil
}

// list fills files. hidden says whether folders whose name begins with a dot are wanted:
// build tools keep tens of thousands of files there. .git is never listed, and folders
// that are symbolic links are not entered.
func (t *tree) list(ctx context.Context, hidden bool) error {
	t.files = nil
	err := fs.WalkDir(t.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("list checkout: %w", err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		dot := p != "." && strings.HasPrefix(d.Name(), ".")
		switch {
		case d.IsDir() && dot && (!hidden || d.Name() == ".git"):
			return fs.SkipDir
		case !d.IsDir() && p != ".git":
			t.files = append(t.files, p)
		}
		return nil
	})
	slices.Sort(t.files)
	return err
}

// read returns the bytes of a regular file. Symbolic links are followed as long as they
// stay inside the checkout.
func (t *tree) read(name string, limit int64) ([]byte, error) { return t.readInto(nil, name, limit) }

// readInto is read into the memory of src if that is large enough.
func (t *tree) readInto(src []byte, name string, limit int64) ([]byte, error) {
	return t.readIn(nil, src, name, limit)
}

// folder is a folder of the checkout that is kept open: os.Root opens every folder on the
// way to a file, and most files are in the folder of the one before.
type folder struct {
	name string
	root *os.Root
}

func (d *folder) close() {
	if d.root != nil {
		d.root.Close()
	}
	d.name, d.root = "", nil
}

// open opens a file. What the folder refuses, such as a link to another one, the whole
// checkout may allow.
func (d *folder) open(t *tree, name string) (*os.File, error) {
	// A named pipe would wait for a writer if it were not for O_NONBLOCK.
	const flags = os.O_RDONLY | syscall.O_NONBLOCK
	dir, base := path.Split(name)
	if d == nil || dir == "" {
		return t.root.OpenFile(name, flags, 0)
	}
	if d.name != dir {
		d.close()
		if root, err := t.root.OpenRoot(dir); err == nil {
			d.name, d.root = dir, root
		}
	}
	if d.root != nil {
		if f, err := d.root.OpenFile(base, flags, 0); err == nil {
			return f, nil
		}
	}
	return t.root.OpenFile(name, flags, 0)
}

// readIn is readInto with a folder that may be the file's; nil for none.
func (t *tree) readIn(d *folder, src []byte, name string, limit int64) ([]byte, error) {
	f, err := d.open(t, name)
	if err != nil {
		if li, lerr := t.root.Lstat(name); lerr == nil && li.Mode()&fs.ModeSymlink != 0 {
			return nil, errors.New("a symbolic link that leads nowhere or out of the checkout")
		} else if lerr == nil && !li.Mode().IsRegular() {
			return nil, errors.New("not a regular file")
		}
		return nil, plain(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, plain(err)
	}
	switch {
	case fi.IsDir():
		return nil, errIsFolder
	case !fi.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case fi.Size() > limit:
		return nil, fmt.Errorf("%d MiB, more than the %d MiB that are read", fi.Size()>>20, limit>>20)
	}
	if src = src[:0]; int64(cap(src)) < fi.Size()+1 {
		src = make([]byte, 0, fi.Size()+1)
	}
	for {
		n, err := f.Read(src[len(src):cap(src)])
		src = src[:len(src)+n]
		if err == io.EOF {
			return src, nil
		}
		if err != nil {
			return nil, plain(err)
		}
		if int64(len(src)) > limit {
			return nil, errors.New("it grew while it was read")
		}
		if len(src) == cap(src) {
			src = append(src, 0)[:len(src)]
		}
	}
}

// errIsFolder marks a symbolic link to a folder: it is not entered, and not a file.
var errIsFolder = errors.New("a symbolic link to a folder, which is not entered")

// plain strips the path from an error of the os package: messages name it already.
func plain(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

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
	flows     map[string]map[int]flowed
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

// maxText is how much of a source line is shown.
const maxText = 200

// lineText is a line of the source for evidence: trimmed, cut, valid UTF-8.
func lineText(f *scan.File, line int) string {
	s := strings.ToValidUTF8(strings.TrimSpace(string(f.Line(line))), "\uFFFD")
	if len(s) > maxText {
		cut := maxText
		for cut > 0 && s[cut]&0xC0 == 0x80 {
			cut--
		}
		s = s[:cut] + "…"
	}
	return s
}

// lines returns a function that reads single lines for evidence. It keeps the last file,
// since results come file by file. A line that cannot be read is "".
func (t *tree) lines() func(name string, line int) string {
	last := ""
	var file *scan.File
	return func(name string, line int) string {
		if name != last {
			last, file = name, nil
			if text, err := t.read(name, maxFile); err == nil {
				file = scan.Plain(text)
			}
		}
		if file == nil {
			return ""
		}
		return lineText(file, line)
	}
}
