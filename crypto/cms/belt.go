package cms

import (
	"context"
	"io"
)

// blockSize is how much of a large message moves from stage to stage at once,
// a multiple of the AES block.
const blockSize = 128 << 10

// beltDepth is how many blocks may be on the way between two stages.
const beltDepth = 3

// A belt carries blocks from one goroutine to the next and hands emptied ones
// back. Only the sender calls put and end, only the receiver next and free.
//
//	sender ── put ──▶ full ── next ──▶ receiver
//	   ▲                                  │
//	   └───────── take ◀── free ◀─────────┘
type belt struct {
	ctx     context.Context // ended when any stage fails
	full    chan []byte
	emptied chan []byte
	made    int
	size    int
	err     error // set before full is closed; nil at a clean end
}

func newBelt(ctx context.Context, size int) *belt {
	return &belt{ctx: ctx, full: make(chan []byte, beltDepth), emptied: make(chan []byte, beltDepth+1), size: size}
}

// take returns an empty block of the belt's size, made only if none is free.
func (b *belt) take() ([]byte, error) {
	select {
	case blk := <-b.emptied:
		return blk[:0], nil
	default:
	}
	if b.made <= beltDepth {
		b.made++
		return make([]byte, 0, b.size), nil
	}
	select {
	case blk := <-b.emptied:
		return blk[:0], nil
	case <-b.ctx.Done():
		return nil, context.Cause(b.ctx)
	}
}

func (b *belt) put(blk []byte) error {
	select {
	case b.full <- blk:
		return nil
	case <-b.ctx.Done():
		return context.Cause(b.ctx)
	}
}

// end tells the receiver that nothing more comes, and why if it is not all.
func (b *belt) end(err error) {
	b.err = err
	close(b.full)
}

// next returns the next block, io.EOF after the last one, or the sender's error.
func (b *belt) next() ([]byte, error) {
	select {
	case blk, ok := <-b.full:
		if ok {
			return blk, nil
		}
		if b.err != nil {
			return nil, b.err
		}
		return nil, io.EOF
	case <-b.ctx.Done():
		return nil, context.Cause(b.ctx)
	}
}

// free hands an emptied block back to the sender. The channel has room for
// every block that was ever made.
func (b *belt) free(blk []byte) { b.emptied <- blk }
