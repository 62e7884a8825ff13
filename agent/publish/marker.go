package publish

import (
	"fmt"
	"strings"
)

const (
	markerOpen  = "<!-- holdfast:"
	markerClose = " -->"
)

// Marker is the first line of a body that Holdfast keeps up to date, invisible on the page.
// The key is escaped so that it can neither end the comment nor the line.
func Marker(key string) string { return markerOpen + escape(key) + markerClose }

// ParseMarker returns the key of a body that begins with a marker. Only the first line
// counts: further down a body holds text of strangers, who may write markers too.
func ParseMarker(body string) (key string, ok bool) {
	line, _, _ := strings.Cut(body, "\n")
	rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r"), markerOpen)
	if !ok {
		return "", false
	}
	rest, ok = strings.CutSuffix(rest, markerClose)
	if !ok {
		return "", false
	}
	key, ok = unescape(rest)
	// One spelling for each key, so that two different first lines are never the same key.
	return key, ok && escape(key) == rest
}

// plainByte reports whether a byte stands for itself in a marker.
func plainByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._/:#@+", c) >= 0
}

// escape writes every byte that is not plain as %XX. A "-" stays when no other "-" is
// before it: "--" must not occur in an HTML comment.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if plainByte(c) || c == '-' && i > 0 && s[i-1] != '-' && i < len(s)-1 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

func unescape(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return b.String(), true
}

const hexDigits = "0123456789ABCDEF"
