//go:build !purego

#include "textflag.h"

// A quarter of a chunk: 16 bytes at off(SI). A has a bit for each separator,
// T for each terminator.
#define QUARTER(off, A, T) \
	MOVOU    off(SI), X3 \
	MOVO     X3, X4      \
	MOVO     X3, X5      \
	PCMPEQB  X0, X3      \
	PCMPEQB  X1, X4      \
	PCMPEQB  X2, X5      \
	POR      X4, X3      \
	POR      X5, X3      \
	PMOVMSKB X3, A       \
	PMOVMSKB X5, T

// func compareKernel(b []byte, all, term []uint64, p *pattern)
TEXT ·compareKernel(SB), NOSPLIT, $0-80
	MOVQ  b_base+0(FP), SI
	MOVQ  all_base+24(FP), DI
	MOVQ  all_len+32(FP), CX
	MOVQ  term_base+48(FP), DX
	MOVQ  p+72(FP), AX
	MOVOU (AX), X0
	MOVOU 16(AX), X1
	MOVOU 32(AX), X2
	TESTQ CX, CX
	JZ    done

next:
	QUARTER(0, R8, R9)
	QUARTER(16, R10, R11)
	SHLQ $16, R10
	SHLQ $16, R11
	ORQ  R10, R8
	ORQ  R11, R9
	QUARTER(32, R10, R11)
	SHLQ $32, R10
	SHLQ $32, R11
	ORQ  R10, R8
	ORQ  R11, R9
	QUARTER(48, R10, R11)
	SHLQ $48, R10
	SHLQ $48, R11
	ORQ  R10, R8
	ORQ  R11, R9
	MOVQ R8, (DI)
	MOVQ R9, (DX)
	ADDQ $64, SI
	ADDQ $8, DI
	ADDQ $8, DX
	DECQ CX
	JNZ  next

done:
	RET
