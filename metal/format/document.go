package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// maxStarts is how many places are tried as the start of a JSON document. Build tools
// print lines like "[INFO] …" before it; a hostile output may be all brackets.
const maxStarts = 20

// document finds the JSON object or array (open is '{' or '[') in an output that may
// have other text around it. Of the places where one could start, the first that holds
// a whole value counts: lines that begin with the bracket, else the first bracket. What
// is wrong with the best of them is reported if there is none.
func (o *Output) document(text []byte, open byte) (json.RawMessage, bool) {
	var starts []int
	at := 0
	for line := range bytes.Lines(text) {
		if t := bytes.TrimLeft(line, " \t"); len(t) > 0 && t[0] == open && len(starts) < maxStarts {
			starts = append(starts, at+len(line)-len(t))
		}
		at += len(line)
	}
	if len(starts) == 0 {
		if i := bytes.IndexByte(text, open); i >= 0 {
			starts = append(starts, i)
		}
	}
	if len(starts) == 0 {
		kind := "object"
		if open == '[' {
			kind = "array"
		}
		o.errorf(0, "no JSON %s in the output", kind)
		return nil, false
	}
	far, why := -1, error(nil)
	for _, start := range starts {
		var raw json.RawMessage
		err := json.NewDecoder(bytes.NewReader(text[start:])).Decode(&raw)
		if err == nil {
			return raw, true
		}
		end := len(text) // an unexpected end
		var s *json.SyntaxError
		if errors.As(err, &s) {
			end = start + int(s.Offset)
		}
		if end > far {
			far, why = end, err
		}
	}
	o.errorf(lineAt(text, far), "JSON: %v", why)
	return nil, false
}

// members calls f with every key and value of a JSON object, in order. A key that comes
// twice is an error: a map would keep the last and lose the first without a word.
func members(object []byte, f func(key string, value json.RawMessage)) error {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		if seen[key] {
			return fmt.Errorf("the key %.100q comes twice", key)
		}
		seen[key] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		f(key, value)
	}
	return nil
}

// elements are the values of a JSON array.
func elements(array []byte) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(array, &list); err != nil {
		return nil, errors.New("not a JSON array")
	}
	return list, nil
}

// lineAt is the 1-based line of an offset.
func lineAt(text []byte, offset int) int {
	offset = min(max(offset, 0), len(text))
	return 1 + bytes.Count(text[:offset], []byte("\n"))
}
