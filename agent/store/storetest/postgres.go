package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast-ci/holdfast/agent/store"
)

// ErrNoPostgres says that this machine has no Postgres programs.
var ErrNoPostgres = errors.New("no initdb and postgres in PATH or /usr/lib/postgresql")

// Server is a Postgres server on loopback in a folder of its own, without a password and
// without durability: for tests.
type Server struct {
	dir string
	url string
	cmd *exec.Cmd

	template sync.Once // makes the database that others are copied from
	failed   error
}

// StartPostgres starts a server. As root it runs as the user postgres or nobody, since
// Postgres refuses root. The error is ErrNoPostgres if there is nothing to start.
func StartPostgres(ctx context.Context) (_ *Server, err error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "holdfast-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	var attr *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		uid, gid, err := unprivileged()
		if err != nil {
			return nil, err
		}
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	data := filepath.Join(dir, "data")
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
		cmd.Dir, cmd.SysProcAttr = dir, attr
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + dir, "TMPDIR=" + dir}
		return cmd
	}
	if out, err := command("initdb", "-D", data, "-U", "holdfast", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd = command("postgres", "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB")
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.url = "postgres://holdfast@127.0.0.1:" + port
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err := s.exec(ctx, "select 1"); err == nil {
			return s, nil
		} else if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("postgres does not answer: %w\n%s", err, text)
		}
	}
}

// Stop ends the server and removes its folder.
func (s *Server) Stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // at once: there is nothing to keep
		_ = s.cmd.Wait()
	}
	_ = os.RemoveAll(s.dir)
}

// Engine makes a database of the server for each test.
func (s *Server) Engine() Engine {
	database := func(tb testing.TB, from string) store.Options {
		name := "t" + strings.ToLower(rand.Text())
		if err := s.exec(tb.Context(), "create database "+name+from); err != nil {
			tb.Fatal(err)
		}
		return store.Options{Postgres: s.url + "/" + name + "?pool_max_conns=8", Dir: tb.TempDir()}
	}
	return Engine{
		Name:  "postgres",
		Empty: func(tb testing.TB) store.Options { return database(tb, "") },
		New: func(tb testing.TB) store.Options {
			s.template.Do(func() { s.failed = s.makeTemplate() })
			if s.failed != nil {
				tb.Fatal(s.failed)
			}
			return database(tb, " template holdfast strategy file_copy")
		},
	}
}

func (s *Server) makeTemplate() error {
	ctx := context.Background()
	if err := s.exec(ctx, "create database holdfast"); err != nil {
		return err
	}
	st, err := store.Open(ctx, store.Options{Postgres: s.url + "/holdfast"})
	if err != nil {
		return err
	}
	return st.Close(ctx)
}

func (s *Server) exec(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.url+"/postgres")
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, sql)
	return err
}

func postgresBin() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.Reverse(dirs)
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		ok := true
		for _, name := range []string{"initdb", "postgres"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				ok = false
			}
		}
		if ok {
			return dir, nil
		}
	}
	return "", ErrNoPostgres
}

func unprivileged() (uid, gid int, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, lookErr := user.Lookup(name)
		if lookErr != nil {
			err = lookErr
			continue
		}
		uid, err = strconv.Atoi(u.Uid)
		if err != nil {
			continue
		}
		gid, err = strconv.Atoi(u.Gid)
		if err == nil {
			return uid, gid, nil
		}
	}
	return 0, 0, err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
