package machine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-ci/holdfast/runner"
)

func text(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mac is a source that answers with the outputs of a folder of testdata.
func mac(t testing.TB, folder string) source {
	return source{cpus: 3, host: "studio", run: func(_ context.Context, args ...string) (string, error) {
		switch args[0] {
		case "/usr/sbin/sysctl":
			return text(t, folder+"/sysctl.txt"), nil
		case "/usr/sbin/ioreg":
			return text(t, folder+"/ioreg.plist"), nil
		case "/usr/sbin/system_profiler":
			return text(t, folder+"/displays.json"), nil
		}
		return "", errors.New("no such program")
	}}
}

func files(m map[string]string) source {
	return source{cpus: 2, host: "box", file: func(name string) (string, error) {
		if text, ok := m[name]; ok {
			return text, nil
		}
		return "", os.ErrNotExist
	}}
}

func check(t *testing.T, got, want runner.Machine) {
	t.Helper()
	want.Arch = runtime.GOARCH
	if !reflect.DeepEqual(got, want) {
		t.Errorf("facts\n got %+v\nwant %+v", got, want)
	}
}

func TestAppleSilicon(t *testing.T) {
	check(t, read(t.Context(), "darwin", mac(t, "m4-max")), runner.Machine{
		Host: "studio", OS: "macOS 15.6.1", Build: "24G90", Model: "Mac16,5", Chip: "Apple M4 Max", Cores: 16, PCores: 12, ECores: 4,
		Memory: 128 << 30, GPU: "Apple M4 Max", GPUCores: 40, GPUAPI: "Metal 3",
		Class:       runtime.GOARCH + "; Mac16,5; Apple M4 Max; 16 cores (12P+4E); 40 GPU cores; Metal 3; 128 GiB; macOS 15",
		Fingerprint: "macOS 15.6.1; 24G90",
	})
}

// A virtual Mac has no AGXAccelerator: its GPU cores stay unknown.
func TestVirtualMac(t *testing.T) {
	check(t, read(t.Context(), "darwin", mac(t, "vm")), runner.Machine{
		Host: "studio", OS: "macOS 26.0", Build: "25A354", Model: "VirtualMac2,1", Chip: "Apple M2 (Virtual)", Cores: 4,
		Memory: 8 << 30, GPU: "Apple Paravirtual device", GPUAPI: "Metal 4",
		Class:       runtime.GOARCH + "; VirtualMac2,1; Apple M2 (Virtual); 4 cores; Apple Paravirtual device; Metal 4; 8 GiB; macOS 26",
		Fingerprint: "macOS 26.0; 25A354",
		Warnings:    []string{"the number of GPU cores is not known: ioreg: it lists no AGXAccelerator"},
	})
}

// An old word for the Metal family is not turned into a level.
func TestIntelMac(t *testing.T) {
	m := read(t.Context(), "darwin", mac(t, "intel"))
	if m.GPU != "Intel UHD Graphics 630" || m.GPUAPI != "" || m.GPUCores != 0 || m.PCores != 0 || m.Cores != 16 {
		t.Errorf("facts %+v", m)
	}
	for _, want := range []string{"lists 2 graphics processors", "does not tell which Metal", "GPU cores is not known"} {
		if !strings.Contains(strings.Join(m.Warnings, "\n"), want) {
			t.Errorf("no warning %q in %q", want, m.Warnings)
		}
	}
}

func TestMacTellsNothing(t *testing.T) {
	s := source{cpus: 3, host: "studio", run: func(context.Context, ...string) (string, error) { return "", errors.New("not found") }}
	m := read(t.Context(), "darwin", s)
	if m.OS != "macOS" || m.Chip != "" || m.GPU != "" || m.GPUAPI != "" || m.Cores != 3 || len(m.Warnings) < 4 {
		t.Errorf("facts %+v", m)
	}
	if m.Fingerprint != "macOS; host studio" {
		t.Errorf("fingerprint %q would be shared among strangers", m.Fingerprint)
	}
	if !strings.HasSuffix(m.Class, "; host studio") {
		t.Errorf("class %q would be shared among strangers", m.Class)
	}
}

func TestRosetta(t *testing.T) {
	s := mac(t, "m4-max")
	run := s.run
	s.run = func(ctx context.Context, args ...string) (string, error) {
		out, err := run(ctx, args...)
		return strings.Replace(out, "proc_translated: 0", "proc_translated: 1", 1), err
	}
	if m := read(t.Context(), "darwin", s); len(m.Warnings) != 1 || !strings.Contains(m.Warnings[0], "Rosetta") {
		t.Errorf("warnings %q", m.Warnings)
	}
}

func TestLinux(t *testing.T) {
	arm := files(map[string]string{
		"/proc/cpuinfo": text(t, "linux-arm64/cpuinfo"), "/proc/meminfo": "MemTotal:       16142572 kB\nMemFree: 1 kB\n",
		"/etc/os-release": "NAME='Alpine Linux'\nID=alpine\nVERSION_ID=3.20.1\n", "/proc/sys/kernel/osrelease": "6.6.31-0-virt\n",
		"/proc/device-tree/model": "Some Board v1.0\x00", "/sys/fs/cgroup/cpu.max": "max 100000\n",
	})
	check(t, read(t.Context(), "linux", arm), runner.Machine{
		Host: "box", OS: "Alpine Linux 3.20.1", Build: "6.6.31-0-virt", Model: "Some Board v1.0", Chip: "ARM implementer 0x41 part 0xd0c+0xd05",
		Cores: 2, Memory: 16142572 << 10, GPUAPI: NoGPU,
		Class:       runtime.GOARCH + "; Some Board v1.0; ARM implementer 0x41 part 0xd0c+0xd05; 2 cores; 16 GiB; Alpine Linux 3",
		Fingerprint: "Alpine Linux 3.20.1; 6.6.31-0-virt",
	})
	limited := files(map[string]string{
		"/proc/cpuinfo": "processor: 0\nmodel name\t: A  B\nprocessor: 1\nprocessor: 2\n", "/proc/meminfo": "MemTotal: 1000000 kB\n",
		"/etc/os-release": "# PRETTY_NAME=no\nPRETTY_NAME=\"Debian \\\"12\\\"\"\n", "/proc/sys/kernel/osrelease": "6.1", "/sys/fs/cgroup/cpu.max": "150000 100000",
	})
	m := read(t.Context(), "linux", limited)
	if m.OS != `Debian "12"` || m.Chip != "A B" || len(m.Warnings) != 2 || !strings.Contains(m.Warnings[1], "1.50 processors") {
		t.Errorf("facts %+v", m)
	}
	bare := read(t.Context(), "linux", files(nil))
	if bare.OS != "Linux" || bare.Memory != 0 || bare.Chip != "" || bare.GPUAPI != NoGPU || len(bare.Warnings) < 5 || !strings.Contains(bare.Class, "host box") {
		t.Errorf("facts %+v", bare)
	}
}

// TestRead reads this machine: what must be known everywhere is known.
func TestRead(t *testing.T) {
	m := Read(t.Context(), os.Environ())
	t.Logf("%+v", m)
	if m.Cores < 1 || m.Memory < 64<<20 || m.OS == "" || m.Build == "" || m.Class == "" || m.Arch != runtime.GOARCH {
		t.Errorf("facts %+v", m)
	}
	if runtime.GOOS == "linux" && m.GPUAPI != NoGPU {
		t.Errorf("GPU API %q on Linux", m.GPUAPI)
	}
	if again := Read(t.Context(), nil); again.Class != m.Class || again.Fingerprint != m.Fingerprint || m.Fingerprint == "" {
		t.Errorf("class %q, then %q", m.Class, again.Class)
	}
}

// A machine is asked for by its name or by whole parts of its class, never by a piece of one:
// an M4 is no M4 Max.
func TestIs(t *testing.T) {
	class := "arm64; Mac16,5; Apple M4 Max; 16 cores (12P+4E); 40 GPU cores; Metal 3; 128 GiB; macOS 15"
	for want, is := range map[string]bool{
		"": true, " ": true, "Apple M4 Max": true, "apple m4 max": true, "Apple M4": false, "M4": false, "macOS 15; Apple M4 Max": true, "macOS 15; Apple M4": false,
		"mini-1": true, "MINI-1": true, " mini-1 ": true, "mini": false, "mini-1; Apple M4 Max": false, class: true, class + "; x": false, ";": false, " ; ": false,
	} {
		if got := Is(class, "mini-1", want); got != is {
			t.Errorf("%q: %v", want, got)
		}
	}
	if Is("", "", "x") || !Is("", "", "") {
		t.Error("a machine of which nothing is known")
	}
}

func TestMemoryClass(t *testing.T) {
	for bytes, want := range map[int64]string{
		128 << 30: "128 GiB", 36 << 30: "36 GiB", 16142572 << 10: "16 GiB", 24684096 << 10: "24 GiB", 8160437862: "8 GiB",
		1: "0 MiB", 500 << 20: "512 MiB", 1000000 << 10: "1 GiB", 1<<62 + 1: "5368709120 GiB", 1717986919: "1.8 GiB",
	} {
		if got := memory(bytes); got != want {
			t.Errorf("memory(%d) = %s, want %s", bytes, got, want)
		}
	}
}

func TestClassSeparates(t *testing.T) {
	base := runner.Machine{Arch: "arm64", Chip: "Apple M4", Cores: 10, PCores: 4, ECores: 6, Memory: 16 << 30, GPUCores: 10, GPUAPI: "Metal 3", OS: "macOS 15.1", Host: "a"}
	same := base
	same.Host, same.OS, same.Build = "b", "macOS 15.6.1", "x"
	if Class(base) != Class(same) {
		t.Errorf("%q and %q differ", Class(base), Class(same))
	}
	for name, change := range map[string]func(*runner.Machine){
		"arch":   func(m *runner.Machine) { m.Arch = "amd64" },
		"model":  func(m *runner.Machine) { m.Model = "Mac16,5" },
		"chip":   func(m *runner.Machine) { m.Chip = "Apple M4 Pro" },
		"cores":  func(m *runner.Machine) { m.Cores = 12 },
		"levels": func(m *runner.Machine) { m.PCores, m.ECores = 5, 5 },
		"memory": func(m *runner.Machine) { m.Memory = 24 << 30 },
		"gpu":    func(m *runner.Machine) { m.GPUCores = 8 },
		"api":    func(m *runner.Machine) { m.GPUAPI = "Metal 4" },
		"os":     func(m *runner.Machine) { m.OS = "macOS 26.0" },
	} {
		other := base
		change(&other)
		if Class(other) == Class(base) {
			t.Errorf("%s: both are %q", name, Class(base))
		}
	}
	a, b := base, base
	a.Chip, b.Chip, b.Host = "", "", "b"
	if Class(a) == Class(b) {
		t.Error("two machines with unknown chips are of one class")
	}
}

// FuzzParsers: whatever a program prints, facts are one printable line, counts are not
// negative, and what is read back from a rendering of the facts is the same.
func FuzzParsers(f *testing.F) {
	for _, folder := range []string{"m4-max", "vm", "intel"} {
		f.Add(text(f, folder+"/sysctl.txt"), text(f, folder+"/ioreg.plist"), text(f, folder+"/displays.json"))
	}
	f.Add(text(f, "linux-arm64/cpuinfo"), "MemTotal: 5 kB", "PRETTY_NAME=\"x")
	f.Add("", "<plist><array><dict><key>gpu-core-count</key><integer>0x28</integer></dict></array></plist>", "[]")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		pick := func(_ context.Context, args ...string) (string, error) {
			return map[string]string{"/usr/sbin/sysctl": a, "/usr/sbin/ioreg": b, "/usr/sbin/system_profiler": c}[args[0]], nil
		}
		s := files(map[string]string{"/proc/cpuinfo": a, "/proc/meminfo": b, "/etc/os-release": c, "/proc/sys/kernel/osrelease": a, "/sys/fs/cgroup/cpu.max": b, "/sys/class/dmi/id/product_name": c})
		s.run = pick
		for _, goos := range []string{"darwin", "linux"} {
			m := read(t.Context(), goos, s)
			for _, fact := range []string{m.OS, m.Build, m.Model, m.Chip, m.GPU, m.GPUAPI, m.Class} {
				if fact != clean(fact) && len([]rune(fact)) <= 200 {
					t.Errorf("%s: fact %q is not clean", goos, fact)
				}
			}
			if m.Cores < 1 || m.PCores < 0 || m.ECores < 0 || m.Memory < 0 || m.GPUCores < 0 {
				t.Errorf("%s: counts %+v", goos, m)
			}
			if m.Chip == "" && !strings.Contains(m.Class, "host ") {
				t.Errorf("%s: class %q of an unknown chip", goos, m.Class)
			}
		}
		if again := parseSysctl(sysChip + ": " + parseSysctl(a)[sysChip]); again[sysChip] != parseSysctl(a)[sysChip] {
			t.Errorf("sysctl %q reads back as %q", parseSysctl(a)[sysChip], again[sysChip])
		}
	})
}
