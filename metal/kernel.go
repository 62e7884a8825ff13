package metal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/metal/harness"
	"github.com/holdfast-ci/holdfast/runner"
)

// maxKernel is how long a kernel's file may be, in bytes.
const maxKernel = 1 << 20

// functionName is what a kernel may be called.
var functionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,254}$`)

// CheckKernel reports what is wrong with [Config].Kernel and Function, whatever the commit
// holds.
func CheckKernel(file, function string) error {
	switch {
	case file == "" && function == "":
		return nil
	case file == "":
		return fmt.Errorf("function %q is set, and no kernel file", function)
	case !filepath.IsLocal(file) || strings.ContainsAny(file, "\x00\n\\"):
		return fmt.Errorf("kernel %q is outside the checkout", file)
	case filepath.Ext(file) != ".metal":
		return fmt.Errorf("kernel %q is no .metal file", file)
	case function == "":
		return fmt.Errorf("kernel %q needs the name of a function in it", file)
	case !functionName.MatchString(function):
		return fmt.Errorf("function %q is not the name of a function of kernel %s", function, file)
	}
	return nil
}

// kernel is the commit's own, nil for the built-in one.
func (c Config) kernel(dir string) (*harness.Source, error) {
	if c.Kernel == "" {
		return nil, nil
	}
	return readKernel(dir, c.Kernel, c.Function)
}

// readKernel takes a kernel from the checkout at dir. What the commit can make of the
// path is refused: a link out of the checkout, a device, a pipe, a huge file. So is an
// include of anything but the compiler's own headers, with which the text of another file
// of this machine could get into a message.
func readKernel(dir, file, function string) (*harness.Source, error) {
	if err := CheckKernel(file, function); err != nil {
		return nil, err
	}
	text, err := readInside(dir, file)
	if err != nil {
		return nil, fmt.Errorf("read kernel %s: %w", file, err)
	}
	if err := checkIncludes(file, text); err != nil {
		return nil, err
	}
	return &harness.Source{File: filepath.ToSlash(file), Function: function, Text: text}, nil
}

var errNoFile = errors.New("this commit has no such file")

// readInside reads a text file that is within dir, links included.
func readInside(dir, file string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	// Opening a pipe would wait for a writer, so the kind of file is asked for before.
	if info, err := root.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return "", errNoFile
	} else if err != nil {
		return "", err
	} else if !info.Mode().IsRegular() {
		return "", errors.New("it is no regular file")
	}
	f, err := root.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKernel+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > maxKernel:
		return "", fmt.Errorf("it is longer than %d bytes", maxKernel)
	case !utf8.Valid(b) || strings.ContainsRune(string(b), 0):
		return "", errors.New("it is no UTF-8 text")
	}
	return string(b), nil
}

// An include is looked for everywhere, in comments and strings too: what is one in any
// reading of the text is found, and nothing has to be read as the compiler reads it. A
// backslash at the end of a line splits any token, comments may stand between tokens, and
// # can be written %: or ??=.
var (
	splice  = regexp.MustCompile(`(?:\\|\?\?/)[ \t\v\f\r]*\n`)
	include = regexp.MustCompile(`(?:#|%:|\?\?=)(?:[ \t\v\f\r]|/\*(?s:.*?)\*/)*(include|include_next|import|embed)\b[ \t\v\f]*([^\n]*)`)
	// header is one of the compiler's own: <metal_stdlib>, <simd/simd.h>.
	header = regexp.MustCompile(`^<[A-Za-z0-9_]+(?:/[A-Za-z0-9_]+)*(?:\.h)?>[ \t\r]*(?://.*)?$`)
)

func checkIncludes(file, text string) error {
	var joined strings.Builder
	var splices []int // offsets in joined
	last := 0
	for _, m := range splice.FindAllStringIndex(text, -1) {
		joined.WriteString(text[last:m[0]])
		splices = append(splices, joined.Len())
		last = m[1]
	}
	joined.WriteString(text[last:])
	text = joined.String()
	for _, m := range include.FindAllStringSubmatchIndex(text, -1) {
		verb, what := text[m[2]:m[3]], strings.TrimSpace(text[m[4]:m[5]])
		if verb == "include" && header.MatchString(what) {
			continue
		}
		line := 1 + strings.Count(text[:m[0]], "\n") + sort.SearchInts(splices, m[0]+1)
		return runner.WithHint(fmt.Errorf("%s:%d: %s %.100s: only the compiler's own headers can be had", file, line, verb, what),
			"the driver compiles from the text of one file: put what is included into %s (comments count, too)", file)
	}
	return nil
}
