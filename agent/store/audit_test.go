package store_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The audit log is append only: no statement of the package changes or takes away a row.
func TestAuditIsAppendOnly(t *testing.T) {
	files, err := filepath.Glob("*.*")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	change := regexp.MustCompile(`(?i)(update|delete\s+from|drop\s+table|truncate)\s+audit\b`)
	write, writes := regexp.MustCompile(`insert into audit\b`), 0
	for _, f := range files {
		if regexp.MustCompile(`_test\.go$`).MatchString(f) {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if m := change.Find(text); m != nil {
			t.Errorf("%s has %q", f, m)
		}
		writes += len(write.FindAll(text, -1))
	}
	if writes != 1 {
		t.Errorf("%d statements write the log, want 1", writes)
	}
}
