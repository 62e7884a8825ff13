package machine

import (
	"context"
	"errors"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

// The outputs were written from manual pages and published transcripts; none was recorded
// on a Mac.
var (
	pmsetBatt = map[string]string{
		"mains":   "Now drawing from 'AC Power'\n -InternalBattery-0 (id=1234567)\t100%; charged; 0:00 remaining present: true\n",
		"battery": "Now drawing from 'Battery Power'\n -InternalBattery-0 (id=1234567)\t81%; discharging; 5:03 remaining present: true\n",
		"ups":     "Now drawing from 'UPS Power'\n",
	}
	pmsetLow  = "System-wide power settings:\nCurrently in use:\n standby              1\n lowpowermode         1\n disksleep            10\n"
	pmsetHigh = "Currently in use:\n powermode            2\n lowpowermode         0\n"
	pmsetNorm = "Currently in use:\n lowpowermode         0\n sleep                1 (sleep prevented by caffeinate)\n"
)

// states is a Mac in a state.
func states(outputs map[string]string) source {
	return source{cpus: 3, run: func(_ context.Context, args ...string) (string, error) {
		if out, ok := outputs[strings.Join(args, " ")]; ok {
			return out, nil
		}
		return "", errors.New("no such program")
	}}
}

func TestStateOfMac(t *testing.T) {
	all := map[string]string{
		"/usr/bin/notifyutil -g com.apple.system.thermalpressurelevel": "com.apple.system.thermalpressurelevel 2\n",
		"/usr/bin/pmset -g batt":                         pmsetBatt["battery"],
		"/usr/bin/pmset -g":                              pmsetLow,
		"/usr/bin/pmset -g therm":                        "Note: No thermal warning level has been recorded\n\tCPU_Scheduler_Limit \t= 100\n\tCPU_Available_CPUs \t= 8\n\tCPU_Speed_Limit \t= 70\n",
		"/usr/sbin/sysctl -n vm.loadavg":                 "{ 3.25 2.00 1.00 }\n",
		"/usr/sbin/ioreg -rc AGXAccelerator -d1 -a":      text(t, "m4-max/ioreg.plist"),
		"/usr/sbin/ioreg -rc AGXDeviceUserClient -d1 -a": text(t, "m4-max/clients.plist"),
		"/usr/sbin/ioreg -rc IOMobileFramebuffer -d1 -a": text(t, "m4-max/displays.plist"),
	}
	st := readState(t.Context(), "darwin", states(all), false)
	if st.Driver == "" || st.GPU < 0 {
		t.Errorf("GPU %d %%, driver %q", st.GPU, st.Driver)
	}
	st.Driver, st.GPU = "agx", 7
	if got, want := st.String(), "battery; low power; driver agx; 2 displays; thermal pressure heavy; processor held to 70 %; GPU 7 % in use; load 3.2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	quick := readState(t.Context(), "darwin", states(all), true)
	if quick.Power != "battery" || quick.Mode != "low power" || quick.Pressure != 2 || quick.GPU != -1 || quick.Displays != -1 || quick.Clients != nil || !math.IsNaN(quick.Load) || quick.Changed(st) != "" {
		t.Errorf("%+v", quick)
	}
	none := readState(t.Context(), "darwin", states(nil), false)
	if none.String() != "not known" || none.Pressure != -1 || none.Speed != -1 || none.GPU != -1 || none.Displays != -1 || none.Clients != nil {
		t.Errorf("%+v", none)
	}
	if s := readState(t.Context(), "plan9", source{}, false).String(); s != "not known" {
		t.Error(s)
	}
}

func TestParseState(t *testing.T) {
	for want, in := range pmsetBatt {
		if got := parsePowerSource(in); got != want {
			t.Errorf("%q is %q", in, got)
		}
	}
	for in, want := range map[string]string{
		pmsetLow: "low power", pmsetHigh: "high power", pmsetNorm: "normal", "": "", " powermode 7\n": "", "lowpowermode x\n": "",
	} {
		if got := parsePowerMode(in); got != want {
			t.Errorf("%q is %q", in, got)
		}
	}
	for in, want := range map[string]int{
		pressureKey + " 0\n": 0, pressureKey + " 4": 4, "": -1, pressureKey: -1, "other 3": -1, pressureKey + " -2": -1, pressureKey + " 99999": -1,
	} {
		if got := parsePressure(in); got != want {
			t.Errorf("%q is %d", in, got)
		}
	}
	for in, want := range map[string]int{"CPU_Speed_Limit = 100": 100, "Note: nothing": -1, "CPU_Speed_Limit = 999": -1} {
		if got := parseSpeedLimit(in); got != want {
			t.Errorf("%q is %d", in, got)
		}
	}
	for in, want := range map[string]float64{"{ 1.5 2 3 }": 1.5, "0.25 0.1 0.1 1/200 77": 0.25} {
		if got := parseLoad(in); got != want {
			t.Errorf("%q is %v", in, got)
		}
	}
	for _, in := range []string{"", "{ }", "{ x 1 1 }", "-1 0 0", "+Inf 0 0", "nan 0 0"} {
		if got := parseLoad(in); !math.IsNaN(got) {
			t.Errorf("%q is %v", in, got)
		}
	}
	if parsePowerSource("now drawing from 'AC Power'") != "" || parsePowerSource("Now drawing from 'the sun'") != "" {
		t.Error("a power source is guessed")
	}
}

func TestStateOfLinux(t *testing.T) {
	laptop := map[string]string{
		"/proc/loadavg": "0.50 0.40 0.30 1/200 77\n",
		"/proc/stat":    "cpu  100 0 50 800 10 0 5 35 0 0\ncpu0 1 2 3\n",
		"/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor":                "powersave\n",
		"/sys/firmware/acpi/platform_profile":                                  "balanced\n",
		"/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": "12\n",
		"/sys/class/power_supply/AC/type":                                      "Mains\n",
		"/sys/class/power_supply/AC/online":                                    "0\n",
		"/sys/class/power_supply/BAT0/type":                                    "Battery\n",
		"/sys/class/power_supply/BAT0/status":                                  "Discharging\n",
		"/sys/class/power_supply/mouse/type":                                   "Battery\n",
		"/sys/class/power_supply/mouse/scope":                                  "Device\n",
		"/sys/class/power_supply/mouse/status":                                 "Discharging\n",
	}
	s := files(laptop)
	s.list = func(string) []string { return []string{"mouse", "AC", "BAT0"} }
	st := readState(t.Context(), "linux", s, true)
	want := State{Power: "battery", Mode: "powersave, balanced", Pressure: -1, Speed: -1, GPU: -1, Load: 0.5, Displays: -1, Throttled: 12, Stolen: 35, Ticks: 1000}
	if !reflect.DeepEqual(st, want) {
		t.Errorf("%+v\nwant %+v", st, want)
	}
	laptop["/sys/class/power_supply/AC/online"] = "1\n"
	plugged := readState(t.Context(), "linux", s, true)
	if plugged.Power != "mains" || plugged.Changed(st) != "the power source changed from battery to mains" {
		t.Errorf("%+v: %s", plugged, plugged.Changed(st))
	}
	if st := readState(t.Context(), "linux", files(nil), true); st.String() != "not known" {
		t.Errorf("%+v", st)
	}
	for _, bad := range []string{"", "cpu 1 2", "cpu a b c d e f g h", "intr 1 2 3 4 5 6 7 8 9", "cpu 9 9 9 9 9 9 9 99999999999999999999999"} {
		if ticks, stolen := parseStat(bad); ticks != 0 || stolen != 0 {
			t.Errorf("%q gives %d, %d", bad, ticks, stolen)
		}
	}
	if _, err := os.Stat("/proc/stat"); err == nil {
		if st := ReadState(t.Context(), os.Environ(), false); st.Ticks == 0 || math.IsNaN(st.Load) {
			t.Errorf("this machine: %+v", st)
		}
	}
}

// TestFingerprintTellsPower: what is measured on a battery has a baseline of its own.
func TestFingerprintTellsPower(t *testing.T) {
	m := runner.Machine{OS: "macOS 15.6.1", Build: "24G90"}
	for want, state := range map[string]State{
		"macOS 15.6.1; 24G90":                                     {Power: "mains", Mode: "normal"},
		"macOS 15.6.1; 24G90; on battery":                         {Power: "battery", Mode: "normal"},
		"macOS 15.6.1; 24G90; energy mode low power":              {Power: "mains", Mode: "low power"},
		"macOS 15.6.1; 24G90; on battery; energy mode high power": {Power: "battery", Mode: "high power"},
	} {
		m.Power, m.Mode = state.Power, state.Mode
		if got := Fingerprint(m); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	m.Power, m.Mode = "", "powersave, balanced"
	if got := Fingerprint(m); got != "macOS 15.6.1; 24G90" {
		t.Error(got)
	}
}

// FuzzState: whatever the system says, a state has possible values, on one line.
func FuzzState(f *testing.F) {
	for _, s := range pmsetBatt {
		f.Add(s)
	}
	f.Add(pmsetLow)
	f.Add(pressureKey + " 3")
	f.Add("{ 1.5 2 3 }")
	f.Add(text(f, "m4-max/ioreg.plist"))
	f.Add("cpu  100 0 50 800 10 0 5 35 0 0")
	f.Fuzz(func(t *testing.T, in string) {
		for _, goos := range []string{"darwin", "linux"} {
			s := source{
				run:  func(context.Context, ...string) (string, error) { return in, nil },
				file: func(string) (string, error) { return in, nil },
				list: func(string) []string { return []string{"a"} },
			}
			st := readState(t.Context(), goos, s, false)
			if st.Pressure < -1 || st.Speed < -1 || st.Speed > 100 || st.GPU < -1 || st.GPU > 100 || st.Load < 0 || math.IsInf(st.Load, 0) || st.Stolen > st.Ticks {
				t.Fatalf("%+v", st)
			}
			if strings.ContainsAny(st.String(), "\n\r\x1b") || len(st.String()) > 1000 || st.Changed(st) != "" {
				t.Fatalf("%q", st.String())
			}
		}
	})
}
