package crash

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Folders are those to which macOS writes crash reports: of the user with this home
// folder, and of the system, for processes of daemons.
func Folders(home string) []string {
	list := []string{"/Library/Logs/DiagnosticReports"}
	if filepath.IsAbs(home) {
		list = append([]string{filepath.Join(home, "Library/Logs/DiagnosticReports")}, list...)
	}
	return list
}

const (
	// maxReport is more than any crash report has.
	maxReport = 16 << 20
	// maxNew is how many new files one run looks at, the newest first.
	maxNew = 200
	// pollEvery is how often the folders are looked at while something is waited for.
	pollEvery = 200 * time.Millisecond
)

// Watcher knows which reports there were before a run.
type Watcher struct {
	dirs   []string
	before map[string]version
}

// version tells a file that was written anew from the one that was there.
type version struct {
	size int64
	mod  time.Time
}

// Watch looks at the folders before a run. One that is missing, or may not be read, has
// no reports.
func Watch(dirs []string) *Watcher {
	w := &Watcher{dirs: dirs, before: map[string]version{}}
	for _, f := range w.list() {
		w.before[f.path] = f.version
	}
	return w
}

// Exists reports whether this system has any of the folders.
func (w *Watcher) Exists() bool {
	return slices.ContainsFunc(w.dirs, func(d string) bool {
		fi, err := os.Stat(d)
		return err == nil && fi.IsDir()
	})
}

type file struct {
	path string
	version
}

// list finds the files that may be crash reports.
func (w *Watcher) list() []file {
	var list []file
	for _, dir := range w.dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if ext := filepath.Ext(e.Name()); strings.HasPrefix(e.Name(), ".") || ext != ".ips" && ext != ".crash" {
				continue
			}
			if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() {
				list = append(list, file{filepath.Join(dir, e.Name()), version{fi.Size(), fi.ModTime()}})
			}
		}
	}
	return list
}

// Found is one crash of the run.
type Found struct {
	*Report
	Text []byte // the whole report, as it was found
}

// Unread is a new file that could not be read although its name begins with that of a
// program of the run.
type Unread struct {
	File string // base name
	Err  error
}

// Collect finds the new reports about processes of the run, oldest crash first. macOS
// writes a report some seconds after the crash, so it waits: until the crashes of all of
// expect (process ids of children that a signal ended; 0 for any) are found, at most
// patience; with nothing to expect, and for files that are still being written, at most
// settle. Files about others are left alone.
func (w *Watcher) Collect(ctx context.Context, run Run, expect []int, settle, patience time.Duration) ([]Found, []Unread) {
	begin := time.Now()
	for {
		found, unread := w.scan(run)
		waited := time.Since(begin)
		missing := slices.ContainsFunc(expect, func(pid int) bool {
			return !slices.ContainsFunc(found, func(f Found) bool { return f.PID == pid || pid == 0 })
		})
		limit := settle
		if missing {
			limit = max(settle, patience)
		} else if len(found) > 0 && len(unread) == 0 && len(expect) > 0 {
			limit = 0
		}
		if waited >= limit || !w.Exists() {
			return found, unread
		}
		t := time.NewTimer(pollEvery)
		select {
		case <-ctx.Done():
			t.Stop()
			return found, unread
		case <-t.C:
		}
	}
}

// scan reads what is new now.
func (w *Watcher) scan(run Run) (found []Found, unread []Unread) {
	now := time.Now()
	files := slices.DeleteFunc(w.list(), func(f file) bool { return w.before[f.path] == f.version })
	slices.SortFunc(files, func(a, b file) int { return b.mod.Compare(a.mod) })
	for _, f := range files[:min(len(files), maxNew)] {
		name := filepath.Base(f.path)
		text, err := read(f.path)
		var r *Report
		if err == nil {
			r, err = Parse(name, text)
		}
		switch {
		case errors.Is(err, ErrOther), errors.Is(err, fs.ErrNotExist):
		case err != nil:
			if slices.ContainsFunc(run.Programs, func(p string) bool { return p != "" && strings.HasPrefix(name, p) }) {
				unread = append(unread, Unread{line(name), err})
			}
		case run.Owns(r, now):
			found = append(found, Found{r, text})
		}
	}
	slices.SortStableFunc(found, func(a, b Found) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.PID, b.PID))
	})
	// The same crash may be in both folders.
	found = slices.CompactFunc(found, func(a, b Found) bool { return a.PID == b.PID && a.Time.Equal(b.Time) })
	return found, unread
}

func read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, ErrOther
	}
	text, err := io.ReadAll(io.LimitReader(f, maxReport+1))
	if err == nil && len(text) > maxReport {
		err = errors.New("it is too large")
	}
	return text, err
}
