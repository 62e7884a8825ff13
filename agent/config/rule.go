package config

// Rule is one table of [[checks.rule]]: a structural rule written in agent.toml instead
// of in a rule file of the repository. Its keys mean what they mean there.
type Rule struct {
	ID        string   `toml:"id" is:"required,name"`
	Title     string   `toml:"title"`
	Kind      string   `toml:"kind" is:"required"`
	Files     []string `toml:"files" is:"inside,glob"`
	Exclude   []string `toml:"exclude" is:"inside,glob"`
	Pattern   string   `toml:"pattern"`
	Patterns  []string `toml:"patterns"`
	View      string   `toml:"view"`
	In        string   `toml:"in"`
	Min       *int     `toml:"min"`
	Max       *int     `toml:"max"`
	Severity  string   `toml:"severity"`
	OnMissing string   `toml:"on_missing"`
}
