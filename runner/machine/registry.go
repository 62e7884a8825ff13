package machine

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Client is a process that has the GPU open.
type Client struct {
	PID  int
	Name string        // as the kernel keeps it, which may cut it
	Busy time.Duration // of the GPU, since the process opened it
}

// Used are the clients whose time on the GPU grew from before to st, each with by how much,
// the most first. It is nil if one of the two does not know. A process that came and went
// between the two is not seen.
func (st State) Used(before State) []Client {
	if st.Clients == nil || before.Clients == nil {
		return nil
	}
	type who struct {
		pid  int
		name string // a PID may have been given to another
	}
	was := map[who]time.Duration{}
	for _, c := range before.Clients {
		was[who{c.PID, c.Name}] = c.Busy
	}
	var used []Client
	for _, c := range st.Clients {
		if c.Busy -= was[who{c.PID, c.Name}]; c.Busy > 0 {
			used = append(used, c)
		}
	}
	slices.SortFunc(used, func(a, b Client) int {
		return cmp.Or(cmp.Compare(b.Busy, a.Busy), cmp.Compare(a.PID, b.PID))
	})
	return used
}

// parseLit counts in the property list of ioreg -rc IOMobileFramebuffer -d1 -a the frame
// buffers that drive a display: those have its size in pixels, idle ones do not. It is -1
// where there are none at all, as on Intel and in a virtual machine.
func parseLit(text string) int {
	entries := registry(text)
	if len(entries) == 0 {
		return -1
	}
	lit := 0
	for _, e := range entries {
		w, _ := e["DisplayWidth"].(uint64)
		h, _ := e["DisplayHeight"].(uint64)
		if w > 0 && h > 0 {
			lit++
		}
	}
	return lit
}

// parseClients reads the property list of ioreg -rc AGXDeviceUserClient -d1 -a: who made a
// connection to the GPU, as "pid 141, WindowServer", and for each of its queues the time
// used in ns. A process may have several connections. It is nil if nobody is told.
func parseClients(text string) []Client {
	var list []Client
	at := map[int]int{}
	for _, e := range registry(text) {
		creator, _ := e["IOUserClientCreator"].(string)
		number, name, ok := strings.Cut(strings.TrimPrefix(creator, "pid "), ", ")
		pid, err := strconv.Atoi(number)
		if name = clean(name); !ok || err != nil || pid <= 0 || name == "" {
			continue
		}
		i, seen := at[pid]
		if !seen {
			i = len(list)
			at[pid] = i
			list = append(list, Client{PID: pid, Name: name})
		}
		queues, _ := e["AppUsage"].([]any)
		for _, q := range queues {
			usage, _ := q.(map[string]any)
			ns, _ := usage["accumulatedGPUTime"].(uint64)
			if sum := uint64(list[i].Busy) + ns; ns < maxBusy && sum < maxBusy {
				list[i].Busy = time.Duration(sum)
			}
		}
	}
	return list
}

// maxBusy is a century in ns: a counter beyond it has wrapped.
const maxBusy = 100 * 365 * 24 * uint64(time.Hour)

// registry reads the entries of a property list of ioreg -a; nil if it is anything else, or
// incomplete.
func registry(text string) []map[string]any {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		tok, err := d.Token()
		if err != nil {
			return nil
		}
		t, ok := tok.(xml.StartElement)
		if !ok || t.Name.Local == "plist" {
			continue
		}
		v, err := property(d, t, 0)
		if err != nil {
			return nil
		}
		for err == nil {
			_, err = d.Token()
		}
		if err != io.EOF {
			return nil
		}
		array, _ := v.([]any)
		var entries []map[string]any
		for _, v := range array {
			if dict, ok := v.(map[string]any); ok {
				entries = append(entries, dict)
			}
		}
		return entries
	}
}

// property reads the value that start opens: a map, a slice, a string, or an integer that is
// not negative as uint64. All others are nil, as nobody asks for them.
func property(d *xml.Decoder, start xml.StartElement, depth int) (any, error) {
	if depth > 40 {
		return nil, errors.New("nested too deeply")
	}
	switch start.Name.Local {
	case "dict", "array":
	case "string":
		return content(d)
	case "integer":
		s, err := content(d)
		if n, bad := strconv.ParseUint(strings.TrimSpace(s), 10, 64); bad == nil {
			return n, err
		}
		return nil, err
	default:
		return nil, d.Skip()
	}
	dict, array, key := map[string]any{}, []any{}, ""
	for {
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.EndElement:
			if start.Name.Local == "dict" {
				return dict, nil
			}
			return array, nil
		case xml.StartElement:
			if t.Name.Local == "key" {
				if key, err = content(d); err != nil {
					return nil, err
				}
				continue
			}
			v, err := property(d, t, depth+1)
			if err != nil {
				return nil, err
			}
			dict[key], array = v, append(array, v)
		}
	}
}

// displays says how many are lit, as a part of a line.
func displays(n int) string {
	switch n {
	case 0:
		return "no lit display seen"
	case 1:
		return "1 display"
	}
	return fmt.Sprintf("%d displays", n)
}
