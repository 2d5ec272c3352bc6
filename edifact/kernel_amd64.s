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

// func upperKernel(b []byte, upper []uint64)
TEXT ·upperKernel(SB), NOSPLIT, $0-48
	MOVQ  b_base+0(FP), SI
	MOVQ  upper_base+24(FP), DI
	MOVQ  upper_len+32(FP), CX
	TESTQ CX, CX
	JZ    none

chunk:
	MOVOU    0(SI), X0
	MOVOU    16(SI), X1
	MOVOU    32(SI), X2
	MOVOU    48(SI), X3
	PMOVMSKB X0, R8
	PMOVMSKB X1, R9
	PMOVMSKB X2, R10
	PMOVMSKB X3, R11
	SHLQ     $16, R9
	SHLQ     $32, R10
	SHLQ     $48, R11
	ORQ      R9, R8
	ORQ      R11, R10
	ORQ      R10, R8
	MOVQ     R8, (DI)
	ADDQ     $64, SI
	ADDQ     $8, DI
	DECQ     CX
	JNZ      chunk

none:
	RET

// The value behind the mark at position R9 goes to off(DI). R12 and R13 are
// element and component of the one before; BX has the marks to come. Without
// one, BSFQ leaves what it likes, and the value is void, but inside of buf.
#define VALUE(off) \
	MOVBLZX (SI)(R9*1), AX  \
	XORL    DX, DX          \
	CMPL    AX, R11         \
	SETEQ   DX              \
	ADDL    DX, R12         \
	DECL    DX              \
	ANDL    DX, R13         \
	INCL    R13             \
	INCL    R9              \
	MOVL    R12, off(DI)    \
	MOVL    R13, (off+4)(DI) \
	MOVL    R9, (off+8)(DI) \
	BSFQ    BX, R9          \
	ADDL    R8, R9          \
	CMPL    R9, R10         \
	CMOVLHI R10, R9         \
	MOVL    R9, (off+12)(DI) \
	LEAQ    -1(BX), AX      \
	ANDQ    AX, BX

// func spreadKernel(values *[stride]Value, buf *byte, first, at, end, sep uint32, word uint64, element, component uint32) uint64
TEXT ·spreadKernel(SB), NOSPLIT, $0-56
	MOVQ values+0(FP), DI
	MOVQ buf+8(FP), SI
	MOVL first+16(FP), R8
	MOVL at+20(FP), R9
	MOVL end+24(FP), R10
	MOVL sep+28(FP), R11
	MOVQ word+32(FP), BX
	MOVL element+40(FP), R12
	MOVL component+44(FP), R13
	VALUE(0)
	VALUE(16)
	VALUE(32)
	VALUE(48)
	VALUE(64)
	VALUE(80)
	VALUE(96)
	VALUE(112)
	MOVQ BX, ret+48(FP)
	RET
