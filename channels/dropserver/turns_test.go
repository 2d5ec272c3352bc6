package dropserver

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

// What is read is what was sent, however the bytes arrive.
func TestTurnsPassEverything(t *testing.T) {
	sent := bytes.Join([][]byte{packet(1, 3), packet(6, 1, "1", int64(0), "content"), packet(4, 2, "1"), {0, 0, 0}}, nil)
	for what, pace := range map[string]func(io.Reader) io.Reader{
		"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "halves": iotest.HalfReader,
	} {
		got, err := io.ReadAll(newTurns(tape{pace(bytes.NewReader(sent))}))
		if err != nil && err != io.ErrUnexpectedEOF || !bytes.Equal(got, sent) {
			t.Errorf("%s: got %x, %v, want %x", what, got, err, sent)
		}
	}
}

// What follows an open waits for its answer, in whatever pieces that is written.
func TestTurnsHoldBackGuesses(t *testing.T) {
	open, guess := packet(3, 1, "/in/a", 2, 0), packet(6, 2, "1", int64(0), "content")
	answer := packet(102, 1, "1")
	for what, end := range map[string]func(*turns){
		"answered": func(turns *turns) {
			for _, b := range answer {
				turns.Write([]byte{b})
			}
		},
		"gone": func(turns *turns) { turns.release() },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				turns := newTurns(tape{bytes.NewReader(append(bytes.Clone(open), guess...))})
				if _, err := io.ReadFull(turns, make([]byte, len(open))); err != nil {
					t.Fatal(err)
				}
				passed := false
				go func() {
					io.ReadFull(turns, make([]byte, len(guess)))
					passed = true
				}()
				synctest.Wait()
				if passed {
					t.Error("the guess passed before the answer")
				}
				end(turns)
				synctest.Wait()
				if !passed {
					t.Error("the guess is held for good")
				}
			})
		})
	}
}
