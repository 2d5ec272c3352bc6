package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// A Command is a program that gets the message on its standard input, the
// subject as GATEWAY_ALERT_SUBJECT and "1" or "0" as GATEWAY_ALERT_URGENT in an
// environment that has PATH besides and nothing else. It runs without a shell.
type Command struct {
	Args    []string      // program and arguments
	Timeout time.Duration // 0: one minute
}

// Name is what the book remembers the sender by.
func (c *Command) Name() string { return "command" }

// Send runs the program. The error has its exit code and the start of what it
// wrote to its standard error.
func (c *Command) Send(ctx context.Context, m Message) error {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	urgent := "0"
	if m.Urgent {
		urgent = "1"
	}
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "GATEWAY_ALERT_SUBJECT=" + m.Subject, "GATEWAY_ALERT_URGENT=" + urgent}
	cmd.Stdin = strings.NewReader(m.Text)
	var said limited
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("%s: not ended within %s", c.Args[0], timeout)
	}
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		return fmt.Errorf("%s: %w: %s", c.Args[0], err, bytes.TrimSpace(said))
	}
	return err
}

// limited keeps the first 500 bytes written to it.
type limited []byte

func (l *limited) Write(p []byte) (int, error) {
	*l = append(*l, p[:min(len(p), 500-len(*l))]...)
	return len(p), nil
}
