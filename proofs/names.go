package proofs

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-ci/holdfast/runner"
)

// splitName cuts a module name into its components: "A.«b.c»" into "A" and "b.c". It
// reports false for text that is no name.
func splitName(name string) ([]string, bool) {
	var parts []string
	for {
		var part string
		if rest, ok := strings.CutPrefix(name, "«"); ok {
			var found bool
			if part, name, found = strings.Cut(rest, "»"); !found {
				return nil, false
			}
			if name != "" && name[0] != '.' {
				return nil, false
			}
		} else {
			i := strings.IndexByte(name, '.')
			if i < 0 {
				i = len(name)
			}
			part, name = name[:i], name[i:]
		}
		if part == "" || strings.ContainsAny(part, "«»/\\\x00\n\r") || part == ".." || !utf8.ValidString(part) {
			return nil, false
		}
		parts = append(parts, part)
		if name == "" {
			return parts, true
		}
		name = name[1:]
	}
}

// joinName is the inverse of splitName, quoting what Lean would not read as one
// component.
func joinName(parts []string) string {
	q := make([]string, len(parts))
	for i, p := range parts {
		q[i] = p
		if !plain(p) {
			q[i] = "«" + p + "»"
		}
	}
	return strings.Join(q, ".")
}

// plain reports whether an ASCII component needs no quotes. Lean takes some other letters
// too; quoting them changes nothing.
func plain(s string) bool {
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_':
		case i > 0 && (r >= '0' && r <= '9' || r == '\'' || r == '!' || r == '?'):
		default:
			return false
		}
	}
	return s != ""
}

// key is a name without quotes. The build tool and Lean do not agree on when to quote.
func key(name string) string {
	if !strings.Contains(name, "«") {
		return name
	}
	return strings.NewReplacer("«", "", "»", "").Replace(name)
}

// within reports whether name is root or lies below it.
func within(name, root string) bool {
	return name == root || strings.HasPrefix(name, root+".")
}

// cut shortens hostile text for a message, at a rune boundary.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// firstLine is the first line of s that is not blank, shortened.
func firstLine(s string) string {
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			return cut(line, 300)
		}
	}
	return ""
}

// oneLine is all of a message on one line, shortened: the first line of what Lean says is
// often half a sentence.
func oneLine(s string) string { return cut(strings.Join(strings.Fields(s), " "), 300) }

// plural is "1 module", "2 modules".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// maxSource bounds what is read of one file of the checkout.
const maxSource = 16 << 20

// readSmall reads a regular file of at most maxSource bytes: a repository may hold a
// link to a device, or a file that fills memory.
func readSmall(name string) ([]byte, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", filepath.Base(name))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err == nil && len(b) > maxSource {
		err = fmt.Errorf("%s is larger than %d MiB", filepath.Base(name), maxSource>>20)
	}
	return b, err
}

// writeFile replaces a file in one step, creating its folder.
func writeFile(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return runner.ReplaceFile(name, b)
}
