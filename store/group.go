package store

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"slices"
)

// groupSize is how many transactions share one commit at most.
const groupSize = 64

// errClosed is what writing to a closed ledger returns.
var errClosed = errors.New("the ledger is closed")

// A group is the one writer of a SQLite ledger. Whoever wants to write hands in
// a job and waits; what waits together is committed together, with one sync of
// the disk for all. When a job of several fails, which is rare, all are run again,
// each with a savepoint of its own, so that the one that fails takes nothing of
// the others with it:
//
//	BEGIN IMMEDIATE
//	  SAVEPOINT one … RELEASE one       job 1
//	  SAVEPOINT one … ROLLBACK TO one   job 2 fails
//	  SAVEPOINT one … RELEASE one       job 3
//	COMMIT                              durable: jobs 1 and 3 return nil, 2 its error
//
// No job returns before the commit that holds it.
type group struct {
	conn  *sql.Conn
	tx    *prepared // on conn
	size  int
	jobs  chan *job
	quit  chan struct{} // closed: take no more jobs
	ended chan struct{} // closed: the writer has ended
}

type job struct {
	ctx  context.Context
	do   func(context.Context, querier) error
	err  error
	done chan struct{}
}

// newGroup starts the writer on the only connection of db.
func newGroup(ctx context.Context, db *sql.DB, size int) (*group, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	g := &group{conn: conn, tx: newPrepared(conn, sqlite()), size: size, jobs: make(chan *job), quit: make(chan struct{}), ended: make(chan struct{})}
	go g.run()
	return g, nil
}

// do runs a job in a transaction and returns when it is durable, or has failed
// and left nothing. A job that ctx ends before its turn is not run; one that has
// begun is not disturbed, since SQLite would roll back those before it, too.
func (g *group) do(ctx context.Context, do func(context.Context, querier) error) error {
	j := &job{ctx: ctx, do: do, done: make(chan struct{})}
	select {
	case g.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.quit:
		return errClosed
	}
	<-j.done
	return j.err
}

func (g *group) run() {
	defer close(g.ended)
	for {
		select {
		case j := <-g.jobs:
			g.commit(g.waiting(j))
		case <-g.quit:
			return
		}
	}
}

// waiting collects the jobs that wait by now.
func (g *group) waiting(first *job) []*job {
	jobs := []*job{first}
	runtime.Gosched() // those whom the last commit has served may bring their next
	for len(jobs) < g.size {
		select {
		case j := <-g.jobs:
			jobs = append(jobs, j)
		default:
			return jobs
		}
	}
	return jobs
}

// commit runs jobs in one transaction and answers them.
func (g *group) commit(jobs []*job) {
	fault := g.try(jobs, false)
	if fault == nil && len(jobs) > 1 && slices.ContainsFunc(jobs, func(j *job) bool { return j.err != nil }) {
		fault = g.try(jobs, true)
	}
	for _, j := range jobs {
		j.err = errors.Join(j.err, fault)
		close(j.done)
	}
}

// try runs jobs in one transaction, apart from one another or not. Not apart,
// nothing is committed if one of them fails. The error is a fault of the
// transaction itself. After it nothing more is asked of the database: outside a
// transaction it would take each statement for one of its own.
func (g *group) try(jobs []*job, apart bool) (fault error) {
	ctx := context.Background()
	if err := g.say(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	end := "COMMIT"
	for _, j := range jobs {
		if j.err = j.ctx.Err(); j.err == nil {
			j.err, fault = g.one(context.WithoutCancel(j.ctx), j, apart)
		}
		if fault != nil || j.err != nil && !apart {
			end = "ROLLBACK"
			break
		}
	}
	err := g.say(ctx, end)
	switch {
	case end == "COMMIT" && err != nil:
		_ = g.say(ctx, "ROLLBACK") // fails where the database has rolled back by itself
		return err
	case fault == nil && end == "ROLLBACK":
		return nil // whether it had rolled back by itself, or has now
	}
	return fault
}

// one runs one job.
func (g *group) one(ctx context.Context, j *job, apart bool) (err, fault error) {
	if !apart {
		return j.do(ctx, g.tx), nil
	}
	if err := g.say(ctx, "SAVEPOINT one"); err != nil {
		return nil, err
	}
	if err = j.do(ctx, g.tx); err != nil {
		if fault := g.say(ctx, "ROLLBACK TO one"); fault != nil {
			return err, fault
		}
	}
	return err, g.say(ctx, "RELEASE one")
}

func (g *group) say(ctx context.Context, statement string) error {
	_, err := g.tx.exec(ctx, statement)
	return err
}

// close ends the writer after the jobs in hand.
func (g *group) close() error {
	close(g.quit)
	<-g.ended
	return errors.Join(g.tx.close(), g.conn.Close())
}
