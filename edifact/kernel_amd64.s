//go:build !purego

#include "textflag.h"

// The bits of a chunk are in R8 (separators and terminators), R9 (terminators)
// and R10 (release characters, as if none were released); R14 is 1 if the first
// byte is released. RESOLVE takes away what is released, and stores the rest.
//
// A release character is one that begins a run of them, or is an odd number of
// places behind the beginning. Subtracting the beginnings, one place higher, from
// the odd places carries through each run (after simdjson, where it is the
// backslash).
#define RESOLVE \
	MOVQ R14, R11       \
	NOTQ R11            \
	ANDQ R10, R11       \
	LEAQ (R11)(R11*1), R12 \
	ORQ  R15, R12       \
	SUBQ R11, R12       \
	XORQ R15, R12       \
	MOVQ R12, R11       \
	ORQ  R10, R14       \
	XORQ R14, R11       \
	ANDQ R10, R12       \
	MOVQ R12, R14       \
	SHRQ $63, R14       \
	NOTQ R11            \
	ANDQ R11, R8        \
	ANDQ R11, R9        \
	MOVQ R8, (DI)       \
	MOVQ R9, (DX)       \
	MOVQ R12, (BX)      \
	ADDQ $64, SI        \
	ADDQ $8, DI         \
	ADDQ $8, DX         \
	ADDQ $8, BX

// A quarter of a chunk: 16 bytes at off(SI). A has a bit for each separator,
// T for each terminator, E for each release character. X7 keeps the smallest byte.
#define QUARTER(off, A, T, E) \
	MOVOU    off(SI), X4 \
	MOVO     X4, X5      \
	MOVO     X4, X6      \
	PMINUB   X4, X7      \
	PCMPEQB  X0, X5      \
	PCMPEQB  X1, X6      \
	POR      X6, X5      \
	MOVO     X4, X6      \
	PCMPEQB  X3, X4      \
	PCMPEQB  X2, X6      \
	POR      X6, X5      \
	PMOVMSKB X4, E       \
	PMOVMSKB X5, A       \
	PMOVMSKB X6, T

#define JOIN(n) \
	SHLQ $n, R11  \
	SHLQ $n, R12  \
	SHLQ $n, R13  \
	ORQ  R11, R8  \
	ORQ  R12, R9  \
	ORQ  R13, R10

// func markSSE2(b []byte, all, rel, term []uint64, p *pattern, carry uint64) uint64
TEXT ·markSSE2(SB), NOSPLIT, $0-120
	MOVQ    b_base+0(FP), SI
	MOVQ    all_base+24(FP), DI
	MOVQ    all_len+32(FP), CX
	MOVQ    rel_base+48(FP), BX
	MOVQ    term_base+72(FP), DX
	MOVQ    p+96(FP), AX
	MOVQ    carry+104(FP), R14
	MOVQ    $0xaaaaaaaaaaaaaaaa, R15
	MOVOU   (AX), X0
	MOVOU   32(AX), X1
	MOVOU   64(AX), X2
	MOVOU   96(AX), X3
	PCMPEQB X7, X7
	TESTQ   CX, CX
	JZ      end

loop:
	QUARTER(0, R8, R9, R10)
	QUARTER(16, R11, R12, R13)
	JOIN(16)
	QUARTER(32, R11, R12, R13)
	JOIN(32)
	QUARTER(48, R11, R12, R13)
	JOIN(48)
	RESOLVE
	DECQ CX
	JNZ  loop

end:
	PXOR     X4, X4
	PCMPEQB  X7, X4
	PMOVMSKB X4, AX
	TESTL    AX, AX
	JZ       good
	MOVQ     $2, R14

good:
	MOVQ R14, ret+112(FP)
	RET

// Half a chunk, as QUARTER.
#define HALF(off, A, T, E) \
	VMOVDQU   off(SI), Y4  \
	VPMINUB   Y4, Y7, Y7   \
	VPCMPEQB  Y0, Y4, Y5   \
	VPCMPEQB  Y1, Y4, Y6   \
	VPOR      Y6, Y5, Y5   \
	VPCMPEQB  Y2, Y4, Y6   \
	VPCMPEQB  Y3, Y4, Y4   \
	VPOR      Y6, Y5, Y5   \
	VPMOVMSKB Y4, E        \
	VPMOVMSKB Y5, A        \
	VPMOVMSKB Y6, T

// func markAVX2(b []byte, all, rel, term []uint64, p *pattern, carry uint64) uint64
TEXT ·markAVX2(SB), NOSPLIT, $0-120
	MOVQ     b_base+0(FP), SI
	MOVQ     all_base+24(FP), DI
	MOVQ     all_len+32(FP), CX
	MOVQ     rel_base+48(FP), BX
	MOVQ     term_base+72(FP), DX
	MOVQ     p+96(FP), AX
	MOVQ     carry+104(FP), R14
	MOVQ     $0xaaaaaaaaaaaaaaaa, R15
	VMOVDQU  (AX), Y0
	VMOVDQU  32(AX), Y1
	VMOVDQU  64(AX), Y2
	VMOVDQU  96(AX), Y3
	VPCMPEQB Y7, Y7, Y7
	TESTQ    CX, CX
	JZ       end

loop:
	HALF(0, R8, R9, R10)
	HALF(32, R11, R12, R13)
	JOIN(32)
	RESOLVE
	DECQ CX
	JNZ  loop

end:
	VPXOR     Y4, Y4, Y4
	VPCMPEQB  Y7, Y4, Y4
	VPMOVMSKB Y4, AX
	VZEROUPPER
	TESTL     AX, AX
	JZ        good
	MOVQ      $2, R14

good:
	MOVQ R14, ret+112(FP)
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

// The value behind the mark at (SI)(R9*1) goes to off(DI). R12 has the component
// of the one before above its element; BX has the marks to come. Without one,
// TZCNTQ leaves what it likes (on an old processor it is BSFQ), but at most 64.
#define VALUE(off) \
	MOVL    R12, AX          \
	LEAQ    1(AX)(R13*1), AX \
	ADDQ    R13, R12         \
	CMPB    R11, (SI)(R9*1)  \
	CMOVQEQ AX, R12          \
	LEAL    1(R9)(R8*1), AX  \
	MOVQ    R12, off(DI)     \
	MOVL    AX, (off+8)(DI)  \
	TZCNTQ  BX, R9           \
	LEAL    (R9)(R8*1), AX   \
	MOVL    AX, (off+12)(DI) \
	LEAQ    -1(BX), AX       \
	ANDQ    AX, BX

// func spreadKernel(values *[stride]Value, buf *byte, at, sep uint32, word uint64, v Value)
TEXT ·spreadKernel(SB), NOSPLIT, $0-48
	MOVQ values+0(FP), DI
	MOVQ buf+8(FP), SI
	MOVL at+16(FP), R8
	MOVL sep+20(FP), R11
	MOVQ word+24(FP), BX
	MOVL v_Element+32(FP), R12
	MOVL v_Component+36(FP), R13
	SHLQ $32, R13
	ORQ  R13, R12
	MOVQ $(1<<32), R13
	XORL R9, R9
	VALUE(0)
	VALUE(16)
	VALUE(32)
	VALUE(48)
	VALUE(64)
	VALUE(80)
	VALUE(96)
	VALUE(112)
	RET

// What both of the functions below begin with, their arguments loaded: BX and DX
// point to the words of marks and oddities. Behind it:
//
//	SI  the mark behind the tag        BX  marks, that one lowest
//	R8  its position                   R14 bytes not taken as they are; also the flags
//	R10 n                              R11 the element separator
#define WINDOWS \
	MOVL  R8, AX           \
	SHRL  $6, AX           \
	MOVQ  (DX)(AX*8), R14  \
	MOVQ  8(DX)(AX*8), R15 \
	MOVQ  (BX)(AX*8), R12  \
	MOVQ  8(BX)(AX*8), R13 \
	MOVL  R8, CX           \
	NOTL  CX               \
	ADDQ  R15, R15         \
	ADDQ  R13, R13         \
	SHRXQ R8, R14, R14     \
	SHLXQ CX, R15, R15     \
	SHRXQ R8, R12, R12     \
	SHLXQ CX, R13, R13     \
	ORQ   R15, R14         \
	ORQ   R13, R12         \
	ADDQ  R8, SI           \
	LEAL  1(R10), AX       \
	BZHIQ AX, R12, BX      \
	BZHIQ R10, R14, R14

// See decodeShort. DX is short, R13 by how much the text has become longer. What remains is
// as WINDOWS leaves it, for the text.
#define DECODE(next, refuse) \
	POPCNTQ R14, AX              \
	ADDL    R10, AX              \
	CMPL    AX, $63              \
	JGE     refuse               \
	VMOVDQU (SI), Y0             \
	VMOVDQU 32(SI), Y1           \
	VMOVDQU Y0, (DX)             \
	VMOVDQU Y1, 32(DX)           \
	XORL    R13, R13             \
next:                            \
	TZCNTQ  R14, CX              \
	LEAQ    (CX)(R13*1), R9      \
	MOVBLZX (SI)(CX*1), AX       \
	MOVL    AX, R10              \
	SHRL    $6, R10              \
	ORL     $0xc0, R10           \
	MOVB    R10, (DX)(R9*1)      \
	MOVL    AX, R10              \
	ANDL    $0x3f, R10           \
	ORL     $0x80, R10           \
	MOVB    R10, 1(DX)(R9*1)     \
	SHRL    $7, AX               \
	ADDL    AX, AX               \
	LEAQ    (R9)(AX*1), R10      \
	VMOVDQU 1(SI)(CX*1), Y0      \
	VMOVDQU 33(SI)(CX*1), Y1     \
	VMOVDQU Y0, (DX)(R10*1)      \
	VMOVDQU Y1, 32(DX)(R10*1)    \
	BZHIQ   R9, BX, R12          \
	XORQ    R12, BX              \
	SHLXQ   AX, BX, BX           \
	SHRQ    $1, BX               \
	ORQ     R12, BX              \
	LEAQ    -1(R13)(AX*1), R13   \
	BLSRQ   R14, R14             \
	JNZ     next                 \
	VZEROUPPER                   \
	MOVQ    DX, SI               \
	XORL    R8, R8               \
	MOVL    $64, CX

// func valuesAVX2(values *[stride]Value, short *[3 * chunk]byte, buf *byte, all, odd *uint64, at, n, sep uint32) int
TEXT ·valuesAVX2(SB), NOSPLIT, $0-64
	MOVQ  values+0(FP), DI
	MOVQ  buf+16(FP), SI
	MOVQ  all+24(FP), BX
	MOVQ  odd+32(FP), DX
	MOVL  at+40(FP), R8
	MOVL  n+44(FP), R10
	MOVL  sep+48(FP), R11
	WINDOWS
	MOVL  $0, CX
	JZ    spread
	MOVQ  short+8(FP), DX
	DECODE(next, refuse)

spread:
	BLSRQ   BX, BX
	POPCNTQ BX, AX
	CMPL    AX, $8
	JHI     refuse
	ADDL    AX, CX
	MOVQ    $(1<<32), R12
	MOVQ    $(1<<32), R13
	XORL    R9, R9
	VALUE(0)
	VALUE(16)
	VALUE(32)
	VALUE(48)
	VALUE(64)
	VALUE(80)
	VALUE(96)
	VALUE(112)
	MOVQ    CX, ret+56(FP)
	RET

refuse:
	MOVQ $-1, ret+56(FP)
	RET

DATA numbers<>+0(SB)/8, $0x0706050403020100
DATA numbers<>+8(SB)/8, $0x0f0e0d0c0b0a0908
DATA numbers<>+16(SB)/8, $0x1716151413121110
DATA numbers<>+24(SB)/8, $0x1f1e1d1c1b1a1918
DATA numbers<>+32(SB)/8, $0x2726252423222120
DATA numbers<>+40(SB)/8, $0x2f2e2d2c2b2a2928
DATA numbers<>+48(SB)/8, $0x3736353433323130
DATA numbers<>+56(SB)/8, $0x3f3e3d3c3b3a3938
GLOBL numbers<>(SB), RODATA|NOPTR, $64

// The bits as far as i.
DATA upTo<>+0(SB)/8, $0x0000000300000001
DATA upTo<>+8(SB)/8, $0x0000000f00000007
DATA upTo<>+16(SB)/8, $0x0000003f0000001f
DATA upTo<>+24(SB)/8, $0x000000ff0000007f
GLOBL upTo<>(SB), RODATA|NOPTR, $32

// i - 30
DATA less30<>+0(SB)/8, $0xffffffe3ffffffe2
DATA less30<>+8(SB)/8, $0xffffffe5ffffffe4
DATA less30<>+16(SB)/8, $0xffffffe7ffffffe6
DATA less30<>+24(SB)/8, $0xffffffe9ffffffe8
GLOBL less30<>(SB), RODATA|NOPTR, $32

// func valuesAVX512(values *[stride]Value, short *[3 * chunk]byte, buf *byte, all, odd *uint64, at, n, sep uint32) int
TEXT ·valuesAVX512(SB), NOSPLIT, $0-64
	MOVQ  values+0(FP), DI
	MOVQ  buf+16(FP), SI
	MOVQ  all+24(FP), BX
	MOVQ  odd+32(FP), DX
	MOVL  at+40(FP), R8
	MOVL  n+44(FP), R10
	MOVL  sep+48(FP), R11
	WINDOWS
	// R11 gets a bit for each mark that begins an element, in a row.
	VPBROADCASTB R11, Z2
	VPCMPEQB     (SI), Z2, K1
	KMOVQ        K1, R11
	PEXTQ        BX, R11, R11
	MOVL         $0, CX
	TESTQ        R14, R14
	JZ           spread
	MOVQ         short+8(FP), DX
	DECODE(next, refuse)

spread:
	// All eight at once: the positions of the marks, as bytes and then as numbers.
	KMOVQ       BX, K1
	BLSRQ       BX, BX
	POPCNTQ     BX, AX
	CMPL        AX, $8
	JHI         refuse
	ADDL        AX, CX
	VMOVDQU64   numbers<>(SB), Z0
	VPCOMPRESSB.Z Z0, K1, Z0
	VPSRLDQ     $1, X0, X1
	VPMOVZXBD   X0, Y0
	VPMOVZXBD   X1, Y1
	LEAL        1(R8), AX
	VPBROADCASTD AX, Y2
	VPADDD      Y2, Y0, Y0         // from
	VPBROADCASTD R8, Y2
	VPADDD      Y2, Y1, Y1         // to
	// The element is how many bits there are as far as i; the component is how
	// far the last of them is away, and one more.
	VPBROADCASTD R11, Y2
	VPANDD      upTo<>(SB), Y2, Y2
	VPOPCNTD    Y2, Y3
	VPLZCNTD    Y2, Y2
	VPADDD      less30<>(SB), Y2, Y2
	VPUNPCKLDQ  Y2, Y3, Y4
	VPUNPCKHDQ  Y2, Y3, Y5
	VPUNPCKLDQ  Y1, Y0, Y6
	VPUNPCKHDQ  Y1, Y0, Y7
	VPUNPCKLQDQ Y6, Y4, Y0
	VPUNPCKHQDQ Y6, Y4, Y1
	VPUNPCKLQDQ Y7, Y5, Y2
	VPUNPCKHQDQ Y7, Y5, Y3
	VMOVDQU     X0, (DI)
	VMOVDQU     X1, 16(DI)
	VMOVDQU     X2, 32(DI)
	VMOVDQU     X3, 48(DI)
	VEXTRACTI128 $1, Y0, 64(DI)
	VEXTRACTI128 $1, Y1, 80(DI)
	VEXTRACTI128 $1, Y2, 96(DI)
	VEXTRACTI128 $1, Y3, 112(DI)
	VZEROUPPER
	MOVQ        CX, ret+56(FP)
	RET

refuse:
	VZEROUPPER
	MOVQ $-1, ret+56(FP)
	RET
