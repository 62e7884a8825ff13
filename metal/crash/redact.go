package crash

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// What a report says of its user and machine beside the crash.
var (
	homes = regexp.MustCompile(`(\\?/(?:Users|home|var\\?/folders)\\?/)[^/\\"\s:]+`)
	keys  = regexp.MustCompile(`("(?:crashReporterKey|incident|incident_id|sleepWakeUUID|bootSessionUUID|deviceIdentifierForVendor|userID|slice_uuid|codeSigningTeamID)"\s*:\s*)("(?:[^"\\]|\\.)*"|-?[0-9]+)`)
	lines = regexp.MustCompile(`(?m)^((?:CrashReporter Key|Incident Identifier|Anonymous UUID|Sleep/Wake UUID|User ID|Boot Session UUID):[ \t]*)\S.*$`)
	// tokens are the shapes of well-known credentials.
	tokens = regexp.MustCompile(`gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|AKIA[A-Z0-9]{16}|xox[abprs]-[A-Za-z0-9-]{10,}|sk-[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*`)
)

// Redact takes out of a report what identifies its user and machine: names in paths, the
// keys that tell one machine from all others, what looks like a credential, and the given
// texts, such as the host's name. It is idempotent, and JSON stays JSON.
func Redact(text []byte, texts ...string) []byte {
	text = homes.ReplaceAll(text, []byte("${1}USER"))
	text = keys.ReplaceAll(text, []byte(`${1}"redacted"`))
	text = lines.ReplaceAll(text, []byte("${1}redacted"))
	text = tokens.ReplaceAll(text, []byte("redacted"))
	for _, t := range texts {
		if len(t) >= 4 && !bytes.Contains([]byte("redactedredacted"), []byte(t)) {
			text = bytes.ReplaceAll(text, []byte(t), []byte("redacted"))
		}
	}
	return text
}
