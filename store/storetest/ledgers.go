package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gateway301/store"
)

// SQLite opens an empty SQLite ledger.
func SQLite(t *testing.T) *store.Ledger {
	t.Helper()
	l, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// Postgres opens an empty ledger in a database of its own.
func Postgres(t *testing.T) *store.Ledger {
	t.Helper()
	l, err := store.OpenPostgres(t.Context(), DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// A cluster is a PostgreSQL server that lives as long as the tests of a package.
type cluster struct {
	dir     string
	server  *exec.Cmd
	err     error
	skip    bool // the programs are missing
	counter atomic.Int64
}

// theCluster is started by the first test that asks for it.
var theCluster = sync.OnceValue(startCluster)

// used tells Main that there is something to stop.
var used atomic.Bool

// Main runs a package's tests and stops the server that they may have started.
func Main(m *testing.M) { os.Exit(Code(m)) }

// Code is [Main] for packages that have more to tidy up: it returns the exit code.
func Code(m *testing.M) int {
	code := m.Run()
	if used.Load() {
		theCluster().stop()
	}
	return code
}

// DSN returns the connection string of a fresh database with an empty ledger.
// Without PostgreSQL the test is skipped, or fails if GATEWAY_PEERS=required is set.
func DSN(t testing.TB) string {
	t.Helper()
	used.Store(true)
	c := theCluster()
	switch {
	case c.skip && os.Getenv("GATEWAY_PEERS") != "required":
		t.Skip(c.err)
	case c.err != nil:
		t.Fatal(c.err)
	}
	name := fmt.Sprintf("test%d", c.counter.Add(1))
	if err := c.run(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template301"); err != nil {
		t.Fatal(err)
	}
	return c.dsn(name)
}

func (c *cluster) dsn(database string) string {
	return "postgres:///" + database + "?" + url.Values{"host": {c.dir}, "user": {"gateway"}, "sslmode": {"disable"}}.Encode()
}

func (c *cluster) run(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, c.dsn("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// program finds a program of PostgreSQL, which Debian keeps out of PATH.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s is not installed (Debian: postgresql)", name)
	}
	return found[len(found)-1], nil
}

func startCluster() *cluster {
	c := &cluster{}
	initdb, err1 := program("initdb")
	postgres, err2 := program("postgres")
	if c.err = errors.Join(err1, err2); c.err != nil {
		c.skip = true
		return c
	}
	if c.err = c.start(initdb, postgres); c.err != nil {
		c.stop()
	}
	return c
}

func (c *cluster) start(initdb, postgres string) (err error) {
	if c.dir, err = os.MkdirTemp("", "pg"); err != nil {
		return err
	}
	// The server refuses to be run by root.
	attr := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		who, err := user.Lookup("postgres")
		if err != nil {
			if who, err = user.Lookup("nobody"); err != nil {
				return err
			}
		}
		uid, _ := strconv.Atoi(who.Uid)
		gid, _ := strconv.Atoi(who.Gid)
		if err := os.Chown(c.dir, uid, gid); err != nil {
			return err
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	data := filepath.Join(c.dir, "data")
	first := exec.Command(initdb, "-D", data, "-U", "gateway", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	first.SysProcAttr, first.Dir = attr, c.dir
	if out, err := first.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	log, err := os.Create(filepath.Join(c.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	c.server = exec.Command(postgres, "-D", data, "-k", c.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "max_connections=200")
	c.server.SysProcAttr, c.server.Dir, c.server.Stdout, c.server.Stderr = attr, c.dir, log, log
	// It ends with us even if the tests panic. That signal is sent when the thread
	// ends that has started it, so one is kept for this.
	attr.Pdeathsig = syscall.SIGQUIT
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- c.server.Start()
		select {}
	}()
	if err := <-started; err != nil {
		return err
	}
	return c.prepare()
}

// prepare waits for the server and makes the database that all others are copies of.
func (c *cluster) prepare() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for c.run(ctx, "SELECT 1") != nil {
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			return fmt.Errorf("PostgreSQL does not start: %s", said)
		case <-tick.C:
		}
	}
	if err := c.run(ctx, "CREATE DATABASE template301"); err != nil {
		return err
	}
	l, err := store.OpenPostgres(ctx, c.dsn("template301"))
	if err != nil {
		return err
	}
	return l.Close()
}

// stop ends the server and removes all that it wrote.
func (c *cluster) stop() {
	if c.server != nil && c.server.Process != nil {
		_ = c.server.Process.Signal(syscall.SIGQUIT) // at once
		_ = c.server.Wait()
	}
	if c.dir != "" {
		_ = os.RemoveAll(c.dir)
	}
}
