package checks

import (
	"context"
	"slices"
)

// RuleFile reports whether a file of a checkout is one of those that globs names; no globs
// mean [DefaultRuleFile].
func RuleFile(globs []string, name string) bool {
	if len(globs) == 0 {
		globs = []string{DefaultRuleFile}
	}
	return slices.ContainsFunc(globs, func(text string) bool {
		g, err := parseGlob(text)
		return err == nil && g.match(name)
	})
}

// RuleFilesOf reads the rule files in a folder, by name. A file that cannot be read is left
// out: the stage says so when it judges that folder. The error is for a folder that cannot
// be listed.
func RuleFilesOf(ctx context.Context, dir string, globs []string) (map[string][]byte, error) {
	t, err := openTree(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer t.root.Close()
	if slices.ContainsFunc(globs, hiddenGlob) {
		if err := t.list(ctx, true); err != nil {
			return nil, err
		}
	}
	out := map[string][]byte{}
	for _, name := range t.files {
		if !RuleFile(globs, name) {
			continue
		}
		if text, err := t.read(name, maxRuleFile); err == nil {
			out[name] = text
		}
	}
	return out, nil
}
