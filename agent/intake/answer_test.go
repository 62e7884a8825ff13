package intake

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// Whatever the answer, what is read from it is usable as a reference and an object name,
// and survives being stored.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`[{"name":"main","commit":{"sha":"` + strings.Repeat("a1", 20) + `"}}]`))
	f.Add([]byte(`[{"number":1,"state":"open","title":"x","head":{"ref":"f","sha":"` + strings.Repeat("a1", 20) + `","repo":null},"base":{"ref":"main","sha":"x","repo":{"id":1}}}]`))
	f.Add([]byte(`[{"name":"-x"},{"name":"a\u0000b"},null,{}]`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"message":"Not Found"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, decode := range []func([]byte) (stored, error){branchEntries, pullEntries} {
			s, err := decode(body)
			if err != nil {
				continue
			}
			for _, e := range s.Entries {
				if why := bad(e.Branch, e.SHA); why != "" {
					t.Errorf("entry %+v: %s", e, why)
				}
				ref := e.head("r").Ref()
				if !strings.HasPrefix(ref, "refs/") || strings.ContainsAny(ref, " \n:^~") || strings.Contains(ref, "..") {
					t.Errorf("reference %q", ref)
				}
				if strings.Contains(e.head("r").Mark(), "\n") {
					t.Errorf("mark %q", e.head("r").Mark())
				}
			}
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			var back stored
			if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(s, back) {
				t.Errorf("stored %+v, read back %+v, %v", s, back, err)
			}
		}
	})
}
