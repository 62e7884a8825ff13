package machine

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/holdfast-ci/holdfast/runner"
)

// names of sysctl values; sysctl(8) prints those it has and complains about the others.
const (
	sysChip       = "machdep.cpu.brand_string"
	sysModel      = "hw.model"
	sysMemory     = "hw.memsize"
	sysLogical    = "hw.logicalcpu"
	sysLevels     = "hw.nperflevels"
	sysPCores     = "hw.perflevel0.physicalcpu"
	sysECores     = "hw.perflevel1.physicalcpu"
	sysVersion    = "kern.osproductversion"
	sysBuild      = "kern.osversion"
	sysTranslated = "sysctl.proc_translated"
)

// readDarwin fills in the facts of a Mac. The three programs run side by side: together
// they take as long as system_profiler.
func readDarwin(ctx context.Context, s source, m *runner.Machine) {
	var sysctl, ioreg, displays string
	var sysctlErr, ioregErr, displaysErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		sysctl, sysctlErr = s.run(ctx, "/usr/sbin/sysctl", sysChip, sysModel, sysMemory, sysLogical, sysLevels, sysPCores, sysECores,
			sysVersion, sysBuild, sysTranslated)
	})
	wg.Go(func() {
		ioreg, ioregErr = s.run(ctx, "/usr/sbin/ioreg", "-rc", "AGXAccelerator", "-d1", "-a")
	})
	wg.Go(func() {
		displays, displaysErr = s.run(ctx, "/usr/sbin/system_profiler", "SPDisplaysDataType", "-json")
	})
	wg.Wait()

	fillSysctl(m, s, parseSysctl(sysctl), sysctlErr)
	fillGPU(m, ioreg, ioregErr, displays, displaysErr)
}

func fillSysctl(m *runner.Machine, s source, values map[string]string, err error) {
	if err != nil {
		warn(m, "run sysctl: %v", err)
	}
	text := func(key, fact string) string {
		if values[key] == "" && err == nil {
			warn(m, "sysctl does not tell the %s (%s)", fact, key)
		}
		return values[key]
	}
	number := func(key string) int64 {
		n, err := strconv.ParseInt(values[key], 10, 64)
		if err != nil || n < 0 {
			return 0
		}
		return n
	}
	m.Chip = text(sysChip, "processor")
	m.Model = text(sysModel, "model")
	m.OS = "macOS"
	if v := text(sysVersion, "version of macOS"); v != "" {
		m.OS += " " + v
	}
	m.Build = text(sysBuild, "build of macOS")
	m.Memory = number(sysMemory)
	if m.Memory == 0 && err == nil {
		warn(m, "sysctl does not tell the memory (%s)", sysMemory)
	}
	m.Cores = int(min(number(sysLogical), 1<<20))
	if m.Cores == 0 {
		m.Cores = s.cpus
	}
	// One level means that all cores are alike, and then there are no P and E cores.
	if number(sysLevels) == 2 {
		m.PCores, m.ECores = int(min(number(sysPCores), 1<<20)), int(min(number(sysECores), 1<<20))
	}
	if values[sysTranslated] == "1" {
		warn(m, "this program runs translated by Rosetta: measurements are not those of the machine; install the arm64 build")
	}
}

func fillGPU(m *runner.Machine, ioreg string, ioregErr error, displays string, displaysErr error) {
	if ioregErr == nil {
		var gpu accelerator
		gpu, ioregErr = parseAccelerator(ioreg)
		m.GPU, m.GPUCores = gpu.model, gpu.cores
	}
	var cards []display
	if displaysErr == nil {
		cards, displaysErr = parseDisplays(displays)
	}
	if displaysErr != nil {
		warn(m, "run system_profiler: %v", displaysErr)
	}
	for _, c := range cards {
		if m.GPU == "" {
			m.GPU = c.model
		}
		if c.model != m.GPU {
			continue
		}
		if m.GPUCores == 0 {
			m.GPUCores = c.cores
		}
		if m.GPUAPI == "" {
			m.GPUAPI = c.metal
		}
	}
	if len(cards) > 1 {
		warn(m, "system_profiler lists %d graphics processors; the facts are those of %s", len(cards), m.GPU)
	}
	if ioregErr != nil && m.GPUCores == 0 {
		// Virtual machines have no AGXAccelerator.
		warn(m, "the number of GPU cores is not known: ioreg: %v", ioregErr)
	}
	if m.GPU == "" {
		warn(m, "the GPU is not known")
	}
	if m.GPUAPI == "" && displaysErr == nil {
		warn(m, "system_profiler does not tell which Metal the GPU supports")
	}
}

// parseSysctl reads lines "name: value". A line without a name continues nothing and is
// skipped; of a repeated name the first counts.
func parseSysctl(text string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		key, value = strings.TrimSpace(key), clean(value)
		if _, seen := values[key]; ok && !seen && key != "" && value != "" {
			values[key] = value
		}
	}
	return values
}

// accelerator is what ioreg tells about the GPU.
type accelerator struct {
	model string
	cores int
}

// parseAccelerator reads the property list of `ioreg -rc AGXAccelerator -d1 -a`: an array
// with a dictionary for each GPU, of which the first counts. An empty output is what
// ioreg gives where there is no such GPU.
func parseAccelerator(text string) (accelerator, error) {
	if strings.TrimSpace(text) == "" {
		return accelerator{}, errors.New("it lists no AGXAccelerator")
	}
	var gpu accelerator
	d := xml.NewDecoder(strings.NewReader(text))
	depth, dicts := 0, 0
	key := ""
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return accelerator{}, fmt.Errorf("its property list: %w", err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			depth++
			// plist, array, dict, and in it a key and its value in turn.
			if depth == 3 && t.Name.Local == "dict" {
				dicts++
				key = ""
			}
			if depth != 4 || dicts != 1 {
				continue
			}
			if t.Name.Local != "key" && t.Name.Local != "integer" && t.Name.Local != "string" {
				key = ""
				continue
			}
			value, err := content(d)
			if err != nil {
				return accelerator{}, fmt.Errorf("its property list: %w", err)
			}
			depth--
			switch {
			case t.Name.Local == "key":
				key = value
				continue
			case key == "gpu-core-count" && t.Name.Local == "integer":
				if n, err := strconv.ParseInt(strings.TrimSpace(value), 0, 32); err == nil && n > 0 {
					gpu.cores = int(n)
				}
			case key == "model" && t.Name.Local == "string":
				gpu.model = clean(value)
			}
			key = ""
		case xml.EndElement:
			depth--
		}
	}
	if dicts == 0 {
		return accelerator{}, errors.New("it lists no AGXAccelerator")
	}
	if gpu.cores == 0 {
		return gpu, errors.New("no gpu-core-count")
	}
	return gpu, nil
}

// content reads the text of the element that was just opened, and its end.
func content(d *xml.Decoder) (string, error) {
	var b strings.Builder
	for depth := 1; depth > 0; {
		tok, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			b.Write(t)
		}
	}
	return b.String(), nil
}

// display is one graphics processor as system_profiler tells it.
type display struct {
	model string
	cores int
	metal string // "Metal 3"; "" if it does not say
}

// metalLevel is the value of spdisplays_mtlgpufamilysupport: "spdisplays_metal3". Older
// systems write other words (spdisplays_metalfeaturesetfamily…), which do not translate
// into a level and are left alone.
var metalLevel = regexp.MustCompile(`^spdisplays_metal([0-9]{1,2})$`)

// parseDisplays reads `system_profiler SPDisplaysDataType -json`.
func parseDisplays(text string) ([]display, error) {
	var doc struct {
		Displays []struct {
			Name  string `json:"_name"`
			Model string `json:"sppci_model"`
			Cores any    `json:"sppci_cores"` // a string, so far
			Metal string `json:"spdisplays_mtlgpufamilysupport"`
		} `json:"SPDisplaysDataType"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("its JSON: %w", err)
	}
	var list []display
	for _, e := range doc.Displays {
		d := display{model: clean(e.Model)}
		if d.model == "" {
			d.model = clean(e.Name)
		}
		if n, err := strconv.ParseInt(fmt.Sprint(e.Cores), 10, 32); err == nil && n > 0 {
			d.cores = int(n)
		}
		if g := metalLevel.FindStringSubmatch(e.Metal); g != nil {
			d.metal = "Metal " + strings.TrimLeft(g[1], "0")
		}
		if d.model != "" {
			list = append(list, d)
		}
	}
	return list, nil
}
