package checks

import (
	"context"
	"slices"
	"strings"
)

// DefaultRuleFolder is the folder whose rule files are read beside [DefaultRuleFile]. The
// fixtures of the rules of both are in it, too, in folders.
const DefaultRuleFolder = "holdfast.rules/"

// ruleGlobs are globs for the rule files that a configuration names: files, globs, and
// folders, which end with a slash. None, and [DefaultRuleFile] alone, mean the default file
// and folder, of which neither has to be there.
func ruleGlobs(configured []string) (globs []string, standard bool) {
	if standard = len(configured) == 0 || len(configured) == 1 && configured[0] == DefaultRuleFile; standard {
		configured = []string{DefaultRuleFile, DefaultRuleFolder}
	}
	for _, text := range configured {
		if strings.HasSuffix(text, "/") {
			text += "*.toml"
		}
		globs = append(globs, text)
	}
	return globs, standard
}

// RuleFile reports whether a file of a checkout is one of the rule files that configured
// names: see [Config].
func RuleFile(configured []string, name string) bool {
	globs, _ := ruleGlobs(configured)
	return slices.ContainsFunc(globs, func(text string) bool {
		g, err := parseGlob(text)
		return err == nil && g.match(name)
	})
}

// RuleFilesOf reads the rule files in a checkout, by name. A file that cannot be read is left
// out: the stage says so when it judges that folder. The error is for a folder that cannot
// be listed.
func RuleFilesOf(ctx context.Context, dir string, configured []string) (map[string][]byte, error) {
	t, err := openTree(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer t.root.Close()
	if slices.ContainsFunc(configured, hiddenGlob) {
		if err := t.list(ctx, true); err != nil {
			return nil, err
		}
	}
	out := map[string][]byte{}
	for _, name := range t.files {
		if !RuleFile(configured, name) {
			continue
		}
		if text, err := t.read(name, maxRuleFile); err == nil {
			out[name] = text
		}
	}
	return out, nil
}
