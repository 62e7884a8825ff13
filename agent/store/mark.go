package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A process marks that it lives with a locked file, named after its owner name, in
// dir/owners. The kernel drops the lock when the process dies, so a mark that can be
// locked belongs to the dead: no heartbeat, no clock and no reused process number can
// mislead. The file stays for Recover to find. Processes of other machines cannot be told
// by it: see agents.go.

func (s *Store) markPath(owner string) string {
	return filepath.Join(s.dir, "owners", hex.EncodeToString([]byte(owner)))
}

// takeMark marks this process as alive, once, before its name goes into any row.
func (s *Store) takeMark() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mark != nil {
		return nil
	}
	if s.dir == "" {
		return errors.New("no folder for the marks of living processes (Options.Dir)")
	}
	if len(s.owner) > 100 {
		return fmt.Errorf("owner name of %d bytes is too long for a file name", len(s.owner))
	}
	path := s.markPath(s.owner)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := tryLock(path, "")
	if errors.Is(err, ErrLocked) {
		return fmt.Errorf("owner name %q is used by another process (%s): %w", s.owner, holder(path), ErrLocked)
	}
	if err != nil {
		return err
	}
	s.mark = f
	if !s.byHand {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.beats(ctx)
		}()
		s.silence = func() {
			cancel()
			<-done
		}
	}
	return nil
}

// marked reports whether an owner is a process of this machine, which Recover judges.
func (s *Store) marked(owner string) bool {
	if s.dir == "" {
		return false
	}
	_, err := os.Stat(s.markPath(owner))
	return err == nil
}

// dropMark ends this process's claim to be alive. The file goes only if no row names the
// process any more.
func (s *Store) dropMark(ctx context.Context) {
	s.mu.Lock()
	f, silence := s.mark, s.silence
	s.mark, s.silence = nil, nil
	s.mu.Unlock()
	if silence != nil {
		silence()
	}
	if f == nil {
		return
	}
	left := true
	_ = s.db.inTx(ctx, func(t tx) error {
		var err error
		if left, err = owns(ctx, t, s.owner); err == nil && !left {
			_, err = t.exec(ctx, "delete from agent where owner = $1", s.owner)
		}
		return err
	})
	if !left {
		_ = os.Remove(f.Name())
	}
	_ = f.Close()
}

// owns reports whether an owner still has something that Recover would take from it.
func owns(ctx context.Context, q querier, owner string) (bool, error) {
	var n int64
	_, err := one(ctx, q, []any{&n}, `select (select count(*) from job where owner = $1 and state = 'running')
		+ (select count(*) from run where owner = $1 and reported = 0)
		+ (select count(*) from outbox where owner = $1 and pending = 1)`, owner)
	return n > 0 || err != nil, err
}

// dead returns the marks of this machine whose process is gone, locked, so that two
// recoveries do not meet; the caller closes them. A process of another machine has no
// mark here and is never judged.
func (s *Store) dead() (owners []string, marks []*os.File, err error) {
	if s.dir == "" {
		return nil, nil, nil
	}
	names, err := os.ReadDir(filepath.Join(s.dir, "owners"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, n := range names {
		owner, err := hex.DecodeString(n.Name())
		if err != nil || string(owner) == s.owner {
			continue
		}
		f, err := tryLock(s.markPath(string(owner)), "recovering")
		if errors.Is(err, ErrLocked) {
			continue
		}
		if err != nil {
			for _, m := range marks {
				_ = m.Close()
			}
			return nil, nil, err
		}
		owners, marks = append(owners, string(owner)), append(marks, f)
	}
	return owners, marks, nil
}
