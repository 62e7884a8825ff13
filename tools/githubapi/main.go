// Command githubapi cuts GitHub's OpenAPI description down to the requests that Holdfast
// sends, for the GitHub of the tests, which refuses what the description does not have.
//
//	npm pack @octokit/openapi && tar xf octokit-openapi-*.tgz
//	go run ./tools/githubapi package/generated/api.github.com.json > agent/hub/hubtest/openapi.json
//
// The description is GitHub's, published under the MIT licence.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// operations are those that are kept.
var operations = []string{
	"GET /app",
	"GET /rate_limit",
	"GET /user",
	"POST /app/installations/{installation_id}/access_tokens",
	"GET /repos/{owner}/{repo}",
	"GET /repos/{owner}/{repo}/installation",
	"GET /repos/{owner}/{repo}/branches",
	"GET /repos/{owner}/{repo}/pulls",
	"GET /repos/{owner}/{repo}/pulls/{pull_number}",
	"GET /repos/{owner}/{repo}/pulls/{pull_number}/files",
	"POST /repos/{owner}/{repo}/statuses/{sha}",
	"GET /repos/{owner}/{repo}/commits/{ref}/statuses",
	"GET /repos/{owner}/{repo}/commits/{ref}/status",
	"POST /repos/{owner}/{repo}/check-runs",
	"GET /repos/{owner}/{repo}/check-runs/{check_run_id}",
	"PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}",
	"GET /repos/{owner}/{repo}/commits/{ref}/check-runs",
	"GET /repos/{owner}/{repo}/commits/{ref}/check-suites",
	"GET /repos/{owner}/{repo}/issues",
	"POST /repos/{owner}/{repo}/issues",
	"GET /repos/{owner}/{repo}/issues/{issue_number}",
	"PATCH /repos/{owner}/{repo}/issues/{issue_number}",
	"GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
	"POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
	"GET /repos/{owner}/{repo}/issues/comments",
	"GET /repos/{owner}/{repo}/issues/comments/{comment_id}",
	"PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}",
	"DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}",
	"GET /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions",
	"POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions",
	"GET /repos/{owner}/{repo}/commits/{commit_sha}/comments",
	"POST /repos/{owner}/{repo}/commits/{commit_sha}/comments",
	"GET /repos/{owner}/{repo}/comments/{comment_id}",
	"PATCH /repos/{owner}/{repo}/comments/{comment_id}",
	"GET /repos/{owner}/{repo}/collaborators/{username}/permission",
}

// kept are the words of a schema that say what a request may hold.
var kept = []string{
	"type", "enum", "required", "nullable", "maxLength", "maxItems", "minimum", "maximum", "format", "pattern", "additionalProperties",
}

type doc map[string]any

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: githubapi api.github.com.json")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var all doc
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	paths, _ := all["paths"].(map[string]any)
	out := doc{}
	for _, name := range operations {
		method, path, _ := strings.Cut(name, " ")
		item, _ := paths[path].(map[string]any)
		op, ok := item[strings.ToLower(method)].(map[string]any)
		if !ok {
			return fmt.Errorf("the description has no %s", name)
		}
		o := doc{}
		if q := all.query(op); len(q) > 0 {
			o["query"] = q
		}
		if body := all.body(op); body != nil {
			o["body"] = body
		}
		out[name] = o
	}
	version, _ := all["info"].(map[string]any)
	result, err := json.MarshalIndent(doc{"version": version["version"], "licence": "MIT, GitHub Inc.", "operations": out}, "", " ")
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(result, '\n'))
	return err
}

// query gives the schema of each query parameter.
func (d doc) query(op map[string]any) doc {
	out := doc{}
	params, _ := op["parameters"].([]any)
	for _, p := range params {
		m := d.resolve(p)
		if name, _ := m["name"].(string); m["in"] == "query" {
			out[name] = d.schema(m["schema"])
		}
	}
	return out
}

func (d doc) body(op map[string]any) any {
	body := d.resolve(op["requestBody"])
	content, _ := body["content"].(map[string]any)
	media, _ := content["application/json"].(map[string]any)
	if media == nil {
		return nil
	}
	return d.schema(media["schema"])
}

// schema keeps what restricts a value.
func (d doc) schema(v any) doc {
	s := d.resolve(v)
	out := doc{}
	for _, k := range kept {
		if x, ok := s[k]; ok {
			out[k] = x
		}
	}
	if props, ok := s["properties"].(map[string]any); ok {
		m := doc{}
		for _, name := range slices.Sorted(maps.Keys(props)) {
			m[name] = d.schema(props[name])
		}
		out["properties"] = m
	}
	if items, ok := s["items"]; ok {
		out["items"] = d.schema(items)
	}
	for _, k := range []string{"oneOf", "anyOf"} {
		if list, ok := s[k].([]any); ok {
			var alt []doc
			for _, x := range list {
				alt = append(alt, d.schema(x))
			}
			out[k] = alt
		}
	}
	return out
}

// resolve follows a reference.
func (d doc) resolve(v any) map[string]any {
	m, _ := v.(map[string]any)
	ref, ok := m["$ref"].(string)
	if !ok {
		return m
	}
	var at any = map[string]any(d)
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		step, _ := at.(map[string]any)
		at = step[part]
	}
	return d.resolve(at)
}
