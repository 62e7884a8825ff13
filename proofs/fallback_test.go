package proofs

import (
	"slices"
	"testing"
)

// TestParseIndex: the range of a declaration counts more than a reference, which here
// gives the place of a variable, as Lean 4.28 was seen to do.
func TestParseIndex(t *testing.T) {
	places, err := parseIndex([]byte(`{"version":5,"module":"A","decls":{"A.choice":[79,0,79,52,79,8,79,14],"A.cut":[1,2]},"references":{
		"{\"c\":{\"m\":\"A\",\"n\":\"A.choice\"}}":{"definition":[78,16,78,17,"A.other"],"usages":[]},
		"{\"c\":{\"m\":\"A\",\"n\":\"A.cut\"}}":{"definition":[3,4,3,5],"usages":[]},
		"{\"c\":{\"m\":\"Init\",\"n\":\"Nat\"}}":{"definition":null,"usages":[]},
		"c:A.old":{"definition":[5,6,5,7],"usages":[]}}}`))
	if want := []indexPlace{{"A.cut", 3, 4}, {"A.old", 5, 6}, {"A.choice", 79, 8}}; err != nil || !slices.Equal(places, want) {
		t.Errorf("%v, %v", places, err)
	}
}
