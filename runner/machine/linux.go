package machine

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/holdfast-ci/holdfast/runner"
)

// readLinux fills in the facts of a Linux machine. Model may stay empty without a
// warning: many virtual machines and containers have none.
func readLinux(s source, m *runner.Machine) {
	m.GPUAPI = NoGPU
	get := func(name string) string {
		text, err := s.file(name)
		if err != nil {
			warn(m, "read %s: %v", name, err)
		}
		return text
	}
	info := parseCPUInfo(get("/proc/cpuinfo"))
	m.Chip = info.chip
	if m.Chip == "" {
		warn(m, "/proc/cpuinfo does not name the processor")
	}
	m.Cores = s.cpus
	if info.processors > 0 && info.processors != s.cpus {
		warn(m, "this process may use %d of the machine's %d processors", s.cpus, info.processors)
	}
	if quota, ok := cgroupQuota(s); ok && quota < float64(s.cpus) {
		warn(m, "a control group limits this process to %.2f processors: measurements depend on it", quota)
	}
	m.Memory = parseMemInfo(get("/proc/meminfo"))
	if m.Memory == 0 {
		warn(m, "/proc/meminfo does not tell the memory")
	}
	m.OS = parseOSRelease(get("/etc/os-release"))
	if m.OS == "" {
		m.OS = "Linux"
		warn(m, "/etc/os-release does not name the distribution")
	}
	m.Build = clean(get("/proc/sys/kernel/osrelease"))
	for _, name := range []string{"/sys/class/dmi/id/product_name", "/proc/device-tree/model"} {
		if text, err := s.file(name); err == nil && m.Model == "" {
			m.Model = clean(strings.TrimRight(text, "\x00"))
		}
	}
}

type cpuInfo struct {
	chip       string
	processors int
}

// parseCPUInfo reads /proc/cpuinfo: blocks of "key : value", one block for each
// processor (proc(5)). On arm64 there is no model name; the identification registers
// stand for it, as the kernel prints them.
func parseCPUInfo(text string) cpuInfo {
	var c cpuInfo
	first := map[string]string{}
	parts := map[string]bool{} // big and little cores have different numbers
	var order []string
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		key, value = strings.TrimSpace(key), clean(value)
		if key == "processor" {
			if _, err := strconv.Atoi(value); err == nil { // s390 and old arm use the key for other things
				c.processors++
			}
		}
		if _, seen := first[key]; !seen {
			first[key] = value
		}
		if key == "CPU part" && !parts[value] && value != "" {
			parts[value] = true
			order = append(order, value)
		}
	}
	switch {
	case first["model name"] != "":
		c.chip = first["model name"]
	case first["CPU implementer"] != "" && len(order) > 0:
		c.chip = fmt.Sprintf("ARM implementer %s part %s", first["CPU implementer"], strings.Join(order, "+"))
	case first["cpu model"] != "": // mips
		c.chip = first["cpu model"]
	case first["uarch"] != "": // riscv
		c.chip = first["uarch"]
	}
	return c
}

// parseMemInfo reads MemTotal of /proc/meminfo in bytes; 0 if it is not there.
func parseMemInfo(text string) int64 {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "MemTotal:")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) != 2 || fields[1] != "kB" {
			return 0
		}
		kb, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil || kb <= 0 || kb > 1<<50 {
			return 0
		}
		return kb << 10
	}
	return 0
}

// parseOSRelease reads the name of the distribution (os-release(5)): PRETTY_NAME, else
// NAME and VERSION_ID. Values may be quoted as in a shell.
func parseOSRelease(text string) string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(key, "#") {
			fields[key] = clean(unquote(value))
		}
	}
	if name := fields["PRETTY_NAME"]; name != "" {
		return name
	}
	return clean(fields["NAME"] + " " + fields["VERSION_ID"])
}

// unquote undoes the quoting of a shell, of one word.
func unquote(s string) string {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote && quote != 0:
			quote = 0
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// cgroupQuota reads how many processors the control group of this process grants
// (Documentation/admin-guide/cgroup-v2.rst, cpu.max). It looks at the root of what is
// mounted, which is the own group within a container.
func cgroupQuota(s source) (float64, bool) {
	text, err := s.file("/sys/fs/cgroup/cpu.max")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return 0, false
	}
	quota, err1 := strconv.ParseFloat(fields[0], 64) // "max" is no limit, and no number
	period, err2 := strconv.ParseFloat(fields[1], 64)
	if err1 != nil || err2 != nil || !(quota > 0) || !(period > 0) {
		return 0, false
	}
	return quota / period, true
}
