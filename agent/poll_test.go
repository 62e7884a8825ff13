package agent

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-ci/holdfast/agent/intake"
	"github.com/holdfast-ci/holdfast/agent/store"
)

// newAppTest is an agent with a GitHub App, and the address of its webhook.
func newAppTest(t *testing.T, more ...string) (a *agentTest, hook string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("APP_KEY", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	t.Setenv("HOOK", "0123456789abcdef")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hook = l.Addr().String()
	l.Close()
	a = newAgentTestWith(t, "app = \"4711\"\nkey = \"env:APP_KEY\"\nwebhook = \""+hook+"\"\nwebhook_secret = \"env:HOOK\"", more...)
	a.fake.AddApp(4711, "holdfast", &key.PublicKey)
	a.fake.Install("holdfast", "acme", []string{"checks=write", "statuses=write", "contents=read", "issues=write", "pull_requests=write"})
	return a, hook
}

const allGreen = `check holdfast success [^\n]*\(%d in all, 0 open[^\n]*\n[^\n]*check holdfast/bench success [^\n]*\(%d in all, 0 open[^\n]*\n[^\n]*check holdfast/checks success [^\n]*\(%d in all, 0 open`

func green(runs int) string { return fmt.Sprintf(allGreen, runs, runs, runs) }

// "Re-run" on GitHub is honoured without a webhook, once, and what follows is an
// examination with check runs of its own.
func TestRerunByPolling(t *testing.T) {
	a, _ := newAppTest(t)
	sha := a.commit()
	a.fake.AddRepo("acme/pool", sha)
	repo := a.app.cfg.Repository("pool")
	r := intake.Repository{Name: "pool", GitHub: "acme/pool", Branches: []string{"main"}}
	twice := map[string]string{}
	look := func(want bool) {
		t.Helper()
		if seen, err := a.app.look(t.Context(), repo, r, twice); err != nil || seen.Changed != want {
			t.Errorf("a look: %+v, %v, want changed %v", seen, err, want)
		}
	}
	stop := a.serve()
	look(true)
	a.await(green(1))
	for range 3 {
		look(false)
	}
	a.fake.Rerequest("acme/pool", sha)
	look(false) // seen once
	look(true)
	for range 3 {
		if _, err := a.app.look(t.Context(), repo, r, twice); err != nil {
			t.Fatal(err)
		}
	}
	a.await(green(2))
	stop()
	for range 3 {
		look(false)
	}
	runs, err := a.app.store.Runs(t.Context(), store.Filter{})
	if err != nil || len(runs) != 2 || runs[0].Trigger != store.TriggerRerun || runs[0].Branch != "main" {
		t.Errorf("runs %+v, %v", runs, err)
	}
}

// A webhook wakes the loop of its repository, and a pressed button asks for a run; the same
// delivery asks once. A forged one does nothing.
func TestWebhookWakes(t *testing.T) {
	a, hook := newAppTest(t)
	sha := a.commit()
	a.fake.AddRepo("acme/pool", sha)
	p := newPollers(a.app.cfg)
	unlisten, err := a.app.listen(t.Context(), &env{environ: os.Environ()}, p)
	if err != nil {
		t.Fatal(err)
	}
	defer unlisten()
	send := func(kind, body, secret string, want int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+hook+"/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte(body))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-GitHub-Event", kind)
		req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(m.Sum(nil)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", kind, resp.StatusCode, want)
		}
	}
	woken := func(want bool) {
		t.Helper()
		select {
		case <-p.wake["pool"]:
			if !want {
				t.Error("woken")
			}
		default:
			if want {
				t.Error("not woken")
			}
		}
	}
	push := `{"repository":{"full_name":"ACME/Pool"},"n":%d}`
	send("push", fmt.Sprintf(push, 1), "0123456789abcdef", 202)
	woken(true)
	send("push", fmt.Sprintf(push, 1), "0123456789abcdef", 200)
	woken(false)
	send("push", fmt.Sprintf(push, 2), "another-secret-0123", 401)
	woken(false)
	send("push", `{"repository":{"full_name":"eve/pool"}}`, "0123456789abcdef", 202)
	woken(false)

	repo := a.app.cfg.Repository("pool")
	if err := a.app.enqueueHead(t.Context(), repo, intake.Head{Repo: "pool", Branch: "main", SHA: sha}); err != nil {
		t.Fatal(err)
	}
	stop := a.serve()
	a.await(green(1))
	button := fmt.Sprintf(`{"action":"requested_action","repository":{"full_name":"acme/pool"},"check_run":{"head_sha":%q},"requested_action":{"identifier":"fresh"}}`, sha)
	if !until(func() bool {
		_, ok, err := a.app.store.Settled(t.Context(), "pool", sha, time.Time{})
		return ok && err == nil
	}) {
		t.Fatal("never settled")
	}
	send("check_run", button, "0123456789abcdef", 202)
	send("check_run", button, "0123456789abcdef", 200)
	a.await(green(2))
	stop()
	rec, err := a.app.store.Run(t.Context(), 2)
	if err != nil || !rec.Fresh || rec.Run.Trigger != store.TriggerRerun {
		t.Errorf("run 2: %+v, %v", rec, err)
	}
	if _, err := a.app.store.Run(t.Context(), 3); err == nil {
		t.Error("the button made two runs")
	}
}

// A repository that is taken out of agent.toml in the middle of a run leaves nothing
// pending behind.
func TestRepositoryTakenOut(t *testing.T) {
	a := newAgentTest(t)
	sha := a.commit()
	a.fake.AddRepo("acme/pool", sha)
	repo := a.app.cfg.Repository("pool")
	if err := a.app.enqueueHead(t.Context(), repo, intake.Head{Repo: "pool", Branch: "main", SHA: sha}); err != nil {
		t.Fatal(err)
	}
	a.app.cfg.Repositories = nil
	stop := a.serve()
	a.await(`status holdfast error "could not tell`)
	stop()
	if dump := a.fake.Dump(); strings.Contains(dump, "pending") {
		t.Errorf("something is pending:\n%s", dump)
	}
	rec, err := a.app.store.Run(t.Context(), 1)
	if err != nil || !rec.Reported || len(rec.Run.Warnings) != 1 {
		t.Errorf("run 1: %+v, %v", rec, err)
	}
}

// A head is said to be pending before it is fetched. A commit that cannot be fetched is an
// error, and is examined all the same once it can.
func TestAnnounced(t *testing.T) {
	a := newAgentTest(t)
	first := a.commit()
	a.fake.AddRepo("acme/pool", first)
	repo := a.app.cfg.Repository("pool")
	missing := strings.Repeat("ab", 20)
	a.fake.SetBranch("acme/pool", "main", missing)
	if err := a.app.enqueueHead(t.Context(), repo, intake.Head{Repo: "pool", Branch: "main", SHA: missing}); err == nil {
		t.Error("a commit that does not exist was enqueued")
	}
	deliver := func() {
		t.Helper()
		if err := a.app.deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	deliver()
	if dump := a.fake.Dump(); strings.Contains(dump, "pending") || !strings.Contains(dump, `status holdfast error "could not tell: `) {
		t.Errorf("a commit that cannot be fetched:\n%s", dump)
	}
	// As a crash leaves it: announced, and no more.
	done, err := a.app.announce(t.Context(), repo, intake.Head{Repo: "pool", Branch: "gone", SHA: first}, nil)
	if err != nil || done == nil {
		t.Fatal(err)
	}
	deliver()
	if dump := a.fake.Dump(); !strings.Contains(dump, `status holdfast pending "to be examined"`) {
		t.Errorf("not announced:\n%s", dump)
	}
	if err := a.app.forgotten(t.Context(), repo, []intake.Head{{Repo: "pool", Branch: "gone", SHA: first}}); err != nil {
		t.Fatal(err)
	}
	deliver()
	if dump := a.fake.Dump(); !strings.Contains(dump, "pending") {
		t.Errorf("a head that is still there was given up:\n%s", dump)
	}
	for range 2 {
		if err := a.app.forgotten(t.Context(), repo, nil); err != nil {
			t.Fatal(err)
		}
	}
	deliver()
	if dump := a.fake.Dump(); strings.Contains(dump, "pending") || !strings.Contains(dump, "replaced by a newer head before") {
		t.Errorf("a head that is gone:\n%s", dump)
	}
	// Then it is examined after all.
	if err := a.app.enqueueHead(t.Context(), repo, intake.Head{Repo: "pool", Branch: "main", SHA: first}); err != nil {
		t.Fatal(err)
	}
	stop := a.serve()
	a.await(`status holdfast success`)
	stop()
}
