package machine

import (
	"strconv"
	"strings"
)

// linux reads the state from /proc and /sys. Many virtual machines have none of it but
// the load and the time that the hypervisor took.
func (st *State) linux(s source) {
	get := func(name string) string {
		text, err := s.file(name)
		if err != nil {
			return ""
		}
		return clean(text)
	}
	st.Load = parseLoad(get("/proc/loadavg"))
	st.Power = powerSource(s, get)
	st.Mode = strings.Join(trim([]string{
		get("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"), get("/sys/firmware/acpi/platform_profile"),
	}), ", ")
	if v := get("/proc/driver/nvidia/version"); v != "" {
		st.Driver = v
	}
	st.Throttled, _ = strconv.ParseUint(get("/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count"), 10, 64)
	if text, err := s.file("/proc/stat"); err == nil {
		st.Ticks, st.Stolen = parseStat(text)
	}
}

// powerSource looks at the supplies that the kernel knows (Documentation/ABI/testing/
// sysfs-class-power): mains that is online, else a battery that is discharging.
func powerSource(s source, get func(string) string) string {
	if s.list == nil {
		return ""
	}
	discharging := false
	for _, name := range s.list("/sys/class/power_supply") {
		dir := "/sys/class/power_supply/" + name + "/"
		switch get(dir + "type") {
		case "Mains", "USB":
			if get(dir+"online") == "1" {
				return "mains"
			}
		case "Battery":
			if get(dir+"scope") != "Device" && get(dir+"status") == "Discharging" { // not that of a mouse
				discharging = true
			}
		case "UPS":
			if get(dir+"status") == "Discharging" {
				return "ups"
			}
		}
	}
	if discharging {
		return "battery"
	}
	return ""
}

// parseStat reads the first line of /proc/stat (proc_stat(5)): user, nice, system, idle,
// iowait, irq, softirq and steal, in ticks of all processors. Guests are part of user.
func parseStat(text string) (ticks, stolen uint64) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0
	}
	for i, f := range fields[1:9] {
		n, err := strconv.ParseUint(f, 10, 62)
		if err != nil || ticks+n < ticks {
			return 0, 0
		}
		ticks += n
		if i == 7 {
			stolen = n
		}
	}
	return ticks, stolen
}
