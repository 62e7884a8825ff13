package machine

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestClients(t *testing.T) {
	before := State{Clients: parseClients(text(t, "m4-max/clients.plist"))}
	want := []Client{{141, "WindowServer", time.Second}, {808, "Brave Browser", 125 * time.Millisecond}, {612, "loginwindow", 0}}
	if !reflect.DeepEqual(before.Clients, want) {
		t.Fatalf("%+v", before.Clients)
	}
	// One used it, one ended, one began; one's PID now belongs to another, one's counter fell.
	after := State{Clients: []Client{{141, "WindowServer", 1200 * time.Millisecond}, {900, "Preview", time.Second}, {612, "mds", 5}, {808, "Brave Browser", 1}}}
	used := []Client{{900, "Preview", time.Second}, {141, "WindowServer", 200 * time.Millisecond}, {612, "mds", 5}}
	if got := after.Used(before); !reflect.DeepEqual(got, used) {
		t.Errorf("%+v", got)
	}
	if after.Used(State{}) != nil || (State{}).Used(before) != nil {
		t.Error("what is not known is told")
	}
}

func TestLit(t *testing.T) {
	sample := text(t, "m4-max/displays.plist")
	dark := strings.NewReplacer("<integer>3456<", "<integer>0<", "<integer>2160<", "<integer>-1<").Replace(sample)
	for in, want := range map[string]int{
		sample: 2, dark: 0, "": -1, "no": -1, "<plist><array/></plist>": -1, "<plist><dict><key>DisplayWidth</key><integer>1</integer></dict></plist>": -1,
		sample[:len(sample)-20]: -1, // incomplete
		"<plist><array><dict><key>DisplayWidth</key><string>1</string><key>DisplayHeight</key><integer>1</integer></dict></array></plist>": 0,
	} {
		if got := parseLit(in); got != want {
			t.Errorf("%d, want %d: %.200s", got, want, in)
		}
	}
	two, one, unknown := State{Displays: 2}, State{Displays: 1}, State{Displays: -1}
	if got := one.Changed(two); got != "the number of lit displays changed from 2 to 1" {
		t.Error(got)
	}
	if got := unknown.Changed(two) + two.Changed(unknown); got != "" {
		t.Error(got)
	}
}

// FuzzRegistry: whatever ioreg writes is read without a crash, and no time is negative.
func FuzzRegistry(f *testing.F) {
	f.Add(text(f, "m4-max/clients.plist"))
	f.Add(text(f, "m4-max/displays.plist"))
	f.Add("<plist><array>" + strings.Repeat("<dict><key>a</key>", 100))
	f.Add("<plist><array><dict><key>IOUserClientCreator</key><string>pid 1, a</string><key>AppUsage</key><array><dict><key>accumulatedGPUTime</key><integer>18446744073709551615</integer></dict></array></dict></array></plist>")
	f.Fuzz(func(t *testing.T, in string) {
		if n := parseLit(in); n < -1 {
			t.Error(n)
		}
		for _, c := range parseClients(in) {
			if c.PID <= 0 || c.Name == "" || strings.ContainsAny(c.Name, "\n\r\x00") || c.Busy < 0 {
				t.Errorf("%+v", c)
			}
		}
	})
}
