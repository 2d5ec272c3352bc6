package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gateway301/annex"
	"gateway301/channels/channeltest"
	"gateway301/exchange"
	"gateway301/sample"
	"gateway301/store"
	"gateway301/store/storetest"
)

// A node is one running gateway of several.
type node struct {
	*exec.Cmd
	log bytes.Buffer
}

// A cluster is a hospital with several nodes: one YAML, one PostgreSQL database,
// one spool, and OpenSSH's sshd as its partner.
type nodes struct {
	t       *testing.T
	dir     string
	program string
	dsn     string
	ledger  *store.Ledger
	sshd    *channeltest.SSHD
	files   int
}

func newNodes(t *testing.T) *nodes {
	t.Helper()
	n := &nodes{t: t, dir: t.TempDir(), dsn: storetest.DSN(t), sshd: channeltest.StartSSHD(t)}
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	n.program = filepath.Join(binary, "gateway")
	files, err := certificatesOnce()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		n.write("keys/"+name, content)
	}
	n.write("keys/ssh_musterkasse", n.sshd.Client.PEM)
	values := usualValues()
	maps.Copy(values, map[string]string{
		"types":       "[AUFN]",
		"MUSTERKASSE": n.sshd.Root, "MUSTERKASSE_ADDRESS": n.sshd.Address, "MUSTERKASSE_USER": n.sshd.User, "MUSTERKASSE_HOSTKEY": n.sshd.Host[0].Line(),
	})
	n.write("hospital.yaml", []byte("store: postgres\ndsn: env:LEDGER_DSN\ntakeover-after: 2s\n"+os.Expand(hospitalScenario, func(key string) string { return values[key] })))
	n.write("sqlite.yaml", []byte(os.Expand(hospitalScenario, func(key string) string { return values[key] })))
	n.write("outbox/.keep", nil)
	if n.ledger, err = store.OpenPostgresBeside(t.Context(), n.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.ledger.Close() })
	return n
}

func (n *nodes) write(name string, content []byte) {
	n.t.Helper()
	path := filepath.Join(n.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		n.t.Fatal(err)
	}
}

func (n *nodes) command(args ...string) *exec.Cmd {
	c := exec.Command(n.program, args...)
	c.Dir, c.Env = n.dir, append(os.Environ(), "LEDGER_DSN="+n.dsn)
	return c
}

func (n *nodes) start() *node {
	n.t.Helper()
	x := &node{Cmd: n.command("run", "-c", "hospital.yaml")}
	x.Stderr = &x.log
	if err := x.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = x.Process.Kill() // one that has ended already
		_ = x.Wait()
		if n.t.Failed() {
			n.t.Logf("node %d:\n%s", x.Process.Pid, x.log.String())
		}
	})
	return x
}

func (n *nodes) signal(x *node, s syscall.Signal) {
	n.t.Helper()
	if err := x.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
}

// drop lays down the next files of the pair.
func (n *nodes) drop(count int) {
	n.t.Helper()
	for range count {
		n.files++
		content, err := sample.File(sample.FileOptions{Type: "AUFN", Sender: "260500005", Recipient: "109910000", Reference: n.files,
			ApplicationRef: fmt.Sprintf("KRH%08d", n.files), Insured: []string{"A123456780"}, Created: time.Now().In(berlin()).Add(-time.Minute)})
		if err != nil {
			n.t.Fatal(err)
		}
		name := fmt.Sprintf("outbox/%05d.edi", n.files)
		n.write(name+".tmp", content)
		if err := os.Rename(filepath.Join(n.dir, name+".tmp"), filepath.Join(n.dir, name)); err != nil {
			n.t.Fatal(err)
		}
	}
}

// await waits until so many files are delivered.
func (n *nodes) await(delivered int) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 2*time.Minute)
	defer cancel()
	woken := make(chan struct{}, 1)
	go n.ledger.Watch(ctx, func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	for {
		sum, err := n.ledger.Sum(ctx, exchange.Out)
		if err != nil {
			n.t.Fatal(err, sum)
		}
		if sum[exchange.Delivered] >= delivered {
			return
		}
		select {
		case <-woken:
		case <-ctx.Done():
			n.t.Fatalf("%v, want %d delivered", sum, delivered)
		}
	}
}

// audit compares the partner's folder, the ledger and its history.
func (n *nodes) audit() {
	n.t.Helper()
	entries, err := os.ReadDir(filepath.Join(n.sshd.Root, "in"))
	if err != nil {
		n.t.Fatal(err)
	}
	pairs, contents := 0, map[[32]byte]string{}
	for _, e := range entries {
		payload, auf := strings.CutSuffix(e.Name(), annex.AUFSuffix)
		if !auf {
			continue
		}
		pairs++
		b, err := os.ReadFile(filepath.Join(n.sshd.Root, "in", payload))
		if err != nil {
			n.t.Error(err)
		}
		if other, twice := contents[sha256.Sum256(b)]; twice {
			n.t.Errorf("%s and %s hold the same", other, payload)
		}
		contents[sha256.Sum256(b)] = payload
	}
	if pairs != n.files || len(entries) != 2*n.files {
		n.t.Errorf("%d pairs among %d files at the partner, want %d", pairs, len(entries), n.files)
	}
	rows, err := n.ledger.Deliveries(n.t.Context(), store.Filter{})
	if err != nil {
		n.t.Fatal(err)
	}
	if len(rows) != n.files {
		n.t.Errorf("%d rows, want %d", len(rows), n.files)
	}
	var before exchange.Delivery
	for _, d := range rows {
		events, err := n.ledger.Events(n.t.Context(), d.ID)
		if err != nil {
			n.t.Fatal(err)
		}
		delivered := 0
		for _, e := range events {
			if e.What == exchange.Proven {
				delivered++
			}
		}
		if d.State != exchange.Delivered || delivered != 1 {
			n.t.Errorf("delivery %d is %s (%s), delivered %d times", d.ID, d.State, d.Reason, delivered)
		}
		if before.ID != 0 && before.Envelope.Reference < d.Envelope.Reference && before.DeliveredAt.After(d.DeliveredAt) {
			n.t.Errorf("%s was delivered before %s", d.Envelope.Reference, before.Envelope.Reference)
		}
		before = d
	}
	if left, err := filepath.Glob(filepath.Join(n.dir, "outbox", "*.edi")); err != nil || len(left) > 0 {
		n.t.Errorf("left in the outbox: %v %v", left, err)
	}
}

// Two nodes work from one YAML. One is frozen in the middle, for longer than its
// leases, and wakes; the other is killed, and comes back. Every file is delivered
// once, in order, whoever did it.
func TestTwoNodes(t *testing.T) {
	n := newNodes(t)
	a, b := n.start(), n.start()
	n.drop(12)
	n.await(3)
	n.signal(a, syscall.SIGSTOP)
	n.await(12) // b takes over
	n.signal(a, syscall.SIGCONT)
	n.drop(12)
	n.await(15)
	n.signal(b, syscall.SIGKILL)
	n.await(24)
	n.start()
	n.drop(3)
	n.await(27)
	n.audit()
	if out, err := n.command("queue", "list", "-c", "hospital.yaml", "--state", "delivered").CombinedOutput(); err != nil || !strings.Contains(string(out), "TKRH0027") {
		t.Errorf("queue list: %v\n%s", err, out)
	}
}

// A house begins with SQLite and moves to PostgreSQL when one machine is no
// longer enough. Nothing is sent from both.
func TestMigrateStore(t *testing.T) {
	n := newNodes(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := n.command(args...).CombinedOutput()
		return fmt.Sprintf("%s%v", out, err)
	}
	n.drop(2)
	if said := run("run", "--once", "-c", "sqlite.yaml"); !strings.HasSuffix(said, "<nil>") {
		t.Fatal(said)
	}
	service := n.start()
	n.awaitTurns()
	if said := run("store", "migrate", "-c", "sqlite.yaml", "--to", "hospital.yaml"); !strings.Contains(said, "exit status 9") {
		t.Errorf("migrated while a service runs: %s", said)
	}
	n.signal(service, syscall.SIGTERM)
	if err := service.Wait(); err != nil {
		t.Error(err)
	}
	if said := run("store", "migrate", "-c", "sqlite.yaml", "--to", "hospital.yaml"); !strings.HasSuffix(said, "<nil>") {
		t.Fatal(said)
	}
	if said := run("run", "--once", "-c", "sqlite.yaml"); !strings.Contains(said, "given up") {
		t.Errorf("the old ledger still serves: %s", said)
	}
	n.drop(1)
	if said := run("run", "--once", "-c", "hospital.yaml"); !strings.HasSuffix(said, "<nil>") {
		t.Fatal(said)
	}
	n.audit()
}

// awaitTurns waits until a service works.
func (n *nodes) awaitTurns() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	woken := make(chan struct{}, 1)
	go n.ledger.Watch(ctx, func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	for {
		if turns, err := n.ledger.Turns(ctx); err == nil && len(turns) > 0 {
			return
		}
		select {
		case <-woken:
		case <-ctx.Done():
			n.t.Fatal("no service works")
		}
	}
}
