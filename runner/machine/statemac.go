package machine

import (
	"context"
	"encoding/xml"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// pressureKey is the Darwin notification that carries thermal pressure. It is not
// documented, and needs no privilege.
const pressureKey = "com.apple.system.thermalpressurelevel"

func (st *State) darwin(ctx context.Context, s source, quick bool) {
	var wg sync.WaitGroup
	ask := func(use func(text string), args ...string) {
		wg.Go(func() {
			if text, err := s.run(ctx, args...); err == nil { // what is not told is not known
				use(text)
			}
		})
	}
	ask(func(t string) { st.Pressure = parsePressure(t) }, "/usr/bin/notifyutil", "-g", pressureKey)
	ask(func(t string) { st.Power = parsePowerSource(t) }, "/usr/bin/pmset", "-g", "batt")
	ask(func(t string) { st.Mode = parsePowerMode(t) }, "/usr/bin/pmset", "-g")
	if !quick {
		ask(func(t string) { st.Speed = parseSpeedLimit(t) }, "/usr/bin/pmset", "-g", "therm")
		ask(func(t string) { st.Load = parseLoad(t) }, "/usr/sbin/sysctl", "-n", "vm.loadavg")
		ask(func(t string) { st.GPU, st.Driver = parseGPUUse(t) }, "/usr/sbin/ioreg", "-rc", "AGXAccelerator", "-d1", "-a")
		ask(func(t string) { st.Clients = parseClients(t) }, "/usr/sbin/ioreg", "-rc", "AGXDeviceUserClient", "-d1", "-a")
		ask(func(t string) { st.Displays = parseLit(t) }, "/usr/sbin/ioreg", "-rc", "IOMobileFramebuffer", "-d1", "-a")
	}
	wg.Wait()
}

// parsePressure reads "com.apple.system.thermalpressurelevel 0" (notifyutil -g); -1 if it
// is something else.
func parsePressure(text string) int {
	fields := strings.Fields(text)
	if len(fields) != 2 || fields[0] != pressureKey {
		return -1
	}
	n, err := strconv.Atoi(fields[1])
	if err != nil || n < 0 || n > 100 {
		return -1
	}
	return n
}

var drawing = regexp.MustCompile(`(?m)^Now drawing from '([^']+)'`)

// parsePowerSource reads the first line of pmset -g batt.
func parsePowerSource(text string) string {
	m := drawing.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	switch m[1] {
	case "AC Power":
		return "mains"
	case "Battery Power":
		return "battery"
	case "UPS Power":
		return "ups"
	}
	return ""
}

var (
	lowPower  = regexp.MustCompile(`(?m)^\s*lowpowermode\s+([0-9])\s*$`)
	powerMode = regexp.MustCompile(`(?m)^\s*powermode\s+([0-9])\s*$`)
)

// parsePowerMode reads the settings in use that pmset -g lists: powermode 0, 1 or 2 on
// machines that also have a high mode, lowpowermode 0 or 1 on others.
func parsePowerMode(text string) string {
	if m := powerMode.FindStringSubmatch(text); m != nil {
		switch m[1] {
		case "0":
			return "normal"
		case "1":
			return "low power"
		case "2":
			return "high power"
		}
		return ""
	}
	if m := lowPower.FindStringSubmatch(text); m != nil {
		switch m[1] {
		case "0":
			return "normal"
		case "1":
			return "low power"
		}
	}
	return ""
}

var speedLimit = regexp.MustCompile(`(?m)^\s*CPU_Speed_Limit\s*=\s*([0-9]{1,3})\s*$`)

// parseSpeedLimit reads pmset -g therm, which tells it on Intel machines; -1 if it does
// not.
func parseSpeedLimit(text string) int {
	m := speedLimit.FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n > 100 {
		return -1
	}
	return n
}

// parseLoad reads the first number of "{ 1.23 1.00 0.90 }" (sysctl vm.loadavg) or of
// /proc/loadavg; NaN if there is none.
func parseLoad(text string) float64 {
	fields := strings.Fields(strings.TrimLeft(strings.TrimSpace(text), "{"))
	if len(fields) < 3 {
		return math.NaN()
	}
	v, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || v < 0 || math.IsInf(v, 0) {
		return math.NaN()
	}
	return v
}

// parseGPUUse reads from the property list of ioreg -rc AGXAccelerator how much of the GPU
// is in use, in percent, and the name of its driver; -1 and "" for what is not there.
func parseGPUUse(text string) (use int, driver string) {
	use = -1
	key := ""
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		tok, err := d.Token()
		if err != nil {
			return use, driver
		}
		t, ok := tok.(xml.StartElement)
		if !ok || t.Name.Local != "key" && t.Name.Local != "integer" && t.Name.Local != "string" {
			continue
		}
		value, err := content(d)
		if err != nil {
			return use, driver
		}
		switch {
		case t.Name.Local == "key":
			key = value
			continue
		case key == "Device Utilization %" && t.Name.Local == "integer" && use < 0:
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && n >= 0 && n <= 100 {
				use = n
			}
		case key == "CFBundleIdentifier" && t.Name.Local == "string" && driver == "":
			driver = clean(value)
		}
		key = ""
	}
}
