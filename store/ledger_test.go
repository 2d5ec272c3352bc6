package store_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"gateway301/store"
	"gateway301/store/storetest"
)

func TestSQLite(t *testing.T) { storetest.Run(t, storetest.SQLite) }

func TestPostgres(t *testing.T) { storetest.Run(t, storetest.Postgres) }

func TestMain(m *testing.M) { storetest.Main(m) }

func TestOneWriterAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), path); !errors.Is(err, store.ErrLocked) {
		t.Errorf("a second writer: %v", err)
	}
	storetest.Take(t, l, 1)
	r, err := store.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if rows, err := r.Deliveries(t.Context(), store.Filter{Name: "file1.edi"}); err != nil || len(rows) != 1 {
		t.Error(rows, err)
	}
	l.Close()
	l, err = store.Open(t.Context(), path)
	if err != nil {
		t.Fatal("after a close: ", err)
	}
	l.Close()
	if _, err := store.OpenReadOnly(path + ".not"); !errors.Is(err, store.ErrNoLedger) {
		t.Error(err)
	}
}

func TestCommandsBesideAService(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ledger.db")
		service, err := store.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer service.Close()
		command, err := store.OpenBeside(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer command.Close()
		storetest.Beside(t, service, command)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := storetest.DSN(t)
		service, err := store.OpenPostgres(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer service.Close()
		if _, err := store.OpenPostgresAlone(t.Context(), dsn); !errors.Is(err, store.ErrLocked) {
			t.Errorf("alone beside a service: %v", err)
		}
		command, err := store.OpenPostgresBeside(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer command.Close()
		storetest.Beside(t, service, command)
		if err := service.Close(); err != nil {
			t.Error(err)
		}
		alone, err := store.OpenPostgresAlone(t.Context(), dsn)
		if err != nil {
			t.Fatal("after the service has ended: ", err)
		}
		alone.Close()
	})
}

func TestErrorsNameNoPassword(t *testing.T) {
	for _, dsn := range []string{"postgres://u:geheim@127.0.0.1:1/db?connect_timeout=1", "host=127.0.0.1 port=1 password=geheim dbname=db connect_timeout=1", "geheim geheim"} {
		_, err := store.OpenPostgresBeside(t.Context(), dsn)
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%v", err)
		}
	}
}
