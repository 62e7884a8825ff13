package hubtest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// GitHub's OpenAPI description of the requests that are used, made by tools/githubapi. What
// it does not have is refused, though GitHub itself might ignore it: so nothing
// undocumented is sent.
//
//go:embed openapi.json
var openAPI []byte

// operation is one request of the description.
type operation struct {
	name  string // "GET /repos/{owner}/{repo}/branches"
	path  *regexp.Regexp
	Query map[string]*schema `json:"query"`
	Body  *schema            `json:"body"`
}

// schema is the part of JSON Schema that the description uses.
type schema struct {
	Type       string             `json:"type"`
	Enum       []any              `json:"enum"`
	Required   []string           `json:"required"`
	Nullable   bool               `json:"nullable"`
	MaxLength  int                `json:"maxLength"`
	MaxItems   int                `json:"maxItems"`
	Format     string             `json:"format"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
	OneOf      []*schema          `json:"oneOf"`
	AnyOf      []*schema          `json:"anyOf"`
}

var described = sync.OnceValue(func() []*operation {
	var doc struct {
		Operations map[string]*operation `json:"operations"`
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		panic(fmt.Sprintf("hubtest: openapi.json: %v", err))
	}
	var list []*operation
	for _, name := range slices.Sorted(maps.Keys(doc.Operations)) {
		o := doc.Operations[name]
		_, path, _ := strings.Cut(name, " ")
		o.name = name
		o.path = regexp.MustCompile("^" + regexp.MustCompile(`\\\{[a-z_]+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `[^/]+`) + "$")
		list = append(list, o)
	}
	// The one with the most fixed words is meant: /issues/comments/7, not /issues/{number}.
	slices.SortStableFunc(list, func(a, b *operation) int { return strings.Count(a.name, "{") - strings.Count(b.name, "{") })
	return list
})

// noSuch is said of a request that the description does not have at all.
const noSuch = "no such request; the list of those that are used is in tools/githubapi"

// undocumented says what is wrong with a request by the description, "" if nothing.
func undocumented(r *http.Request, path string, body any) string {
	// GitHub redirects there itself.
	path = regexp.MustCompile(`^repositories/\d+`).ReplaceAllString(path, "repos/o/r")
	i := slices.IndexFunc(described(), func(o *operation) bool {
		return strings.HasPrefix(o.name, r.Method+" ") && o.path.MatchString("/"+path)
	})
	if i < 0 {
		return noSuch
	}
	o := described()[i]
	for name, values := range r.URL.Query() {
		s := o.Query[name]
		if s == nil {
			return fmt.Sprintf("%s has no parameter %q", o.name, name)
		}
		var v any = values[0]
		if s.Type == "integer" {
			n, err := strconv.Atoi(values[0])
			if err != nil {
				return fmt.Sprintf("%s: %s=%q is not a number", o.name, name, values[0])
			}
			v = float64(n)
		}
		if why := s.wrong(v, name); why != "" {
			return o.name + ": " + why
		}
	}
	if body == nil {
		return ""
	}
	if o.Body == nil {
		return o.name + " has no body"
	}
	if why := o.Body.wrong(body, "body"); why != "" {
		return o.name + ": " + why
	}
	return ""
}

// wrong says where a value does not fit, "" if it does.
func (s *schema) wrong(v any, at string) string {
	if v == nil && s.Nullable {
		return ""
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return fmt.Sprintf("%s is %v, not one of %v", at, v, s.Enum)
	}
	for _, alternatives := range [][]*schema{s.OneOf, s.AnyOf} {
		why := ""
		for _, alt := range alternatives {
			if why = alt.alternative(v, at); why == "" {
				break
			}
		}
		if why != "" {
			return why
		}
	}
	switch v := v.(type) {
	case string:
		if s.Type != "" && s.Type != "string" {
			return fmt.Sprintf("%s is text, not %s", at, s.Type)
		}
		if s.MaxLength > 0 && utf8.RuneCountInString(v) > s.MaxLength {
			return fmt.Sprintf("%s has more than %d characters", at, s.MaxLength)
		}
	case float64:
		if s.Type != "" && s.Type != "integer" && s.Type != "number" || s.Type == "integer" && v != float64(int64(v)) {
			return fmt.Sprintf("%s is %v, not %s", at, v, s.Type)
		}
	case bool:
		if s.Type != "" && s.Type != "boolean" {
			return fmt.Sprintf("%s is %v, not %s", at, v, s.Type)
		}
	case []any:
		if s.Type != "" && s.Type != "array" || s.MaxItems > 0 && len(v) > s.MaxItems {
			return fmt.Sprintf("%s is a list of %d", at, len(v))
		}
		for i, x := range v {
			if s.Items != nil {
				if why := s.Items.wrong(x, fmt.Sprintf("%s[%d]", at, i)); why != "" {
					return why
				}
			}
		}
	case map[string]any:
		if s.Type != "" && s.Type != "object" {
			return fmt.Sprintf("%s is an object, not %s", at, s.Type)
		}
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				return fmt.Sprintf("%s lacks %q", at, name)
			}
		}
		for name, x := range v {
			p := s.Properties[name]
			if p == nil {
				if len(s.Properties) > 0 {
					return fmt.Sprintf("%s has no field %q", at, name)
				}
				continue
			}
			if why := p.wrong(x, at+"."+name); why != "" {
				return why
			}
		}
	case nil:
		return at + " is null"
	}
	return ""
}

// alternative is wrong for one of several schemas, which name only the fields that tell
// them apart. One that is missing has its default, which the description gives to
// status: queued.
func (s *schema) alternative(v any, at string) string {
	m, ok := v.(map[string]any)
	if !ok || s.Properties == nil {
		return s.wrong(v, at)
	}
	for _, name := range s.Required {
		if _, ok := m[name]; !ok {
			return fmt.Sprintf("%s lacks %q", at, name)
		}
	}
	for name, p := range s.Properties {
		if x, ok := m[name]; ok {
			if why := p.wrong(x, at+"."+name); why != "" {
				return why
			}
		}
	}
	return ""
}
