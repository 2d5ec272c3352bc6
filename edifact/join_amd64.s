//go:build !purego

#include "textflag.h"

// Offsets in joinTable.
#define LOWER     0
#define UPPER     16
#define NIBBLE    32
#define CLASS     48
#define COMPONENT 304
#define ELEMENT   305
#define RELEASE   306

// The 16 bytes in X0 are looked up, each half of a byte in a table of its own:
// X1 gets zero for each that can be written as it is, R14 a bit.
#define LOOK \
	MOVO     X0, X1  \
	MOVO     X0, X2  \
	PSRLW    $4, X2  \
	PAND     X10, X1 \
	PAND     X10, X2 \
	MOVO     X8, X3  \
	MOVO     X9, X4  \
	PSHUFB   X1, X3  \
	PSHUFB   X2, X4  \
	PAND     X4, X3  \
	PCMPEQB  X11, X3 \
	PMOVMSKB X3, R14

// func joinKernel(dst *byte, room int, elements []Element, t *joinTable) int
//
//	AX  elements left           BX  t
//	SI  next element            DI  where the next byte goes
//	R8  component, R9 how many  DX  the last place with room for a separator and 16 bytes
//	R12 value, CX its length    R10 end of the last component with content in this element
//	R13, R14                    R11 end of the last element with content
TEXT ·joinKernel(SB), NOSPLIT, $8-56
	MOVQ  dst+0(FP), DI
	MOVQ  room+8(FP), DX
	MOVQ  elements_base+16(FP), SI
	MOVQ  elements_len+24(FP), AX
	MOVQ  t+40(FP), BX
	LEAQ  -17(DI)(DX*1), DX
	MOVOU LOWER(BX), X8
	MOVOU UPPER(BX), X9
	MOVOU NIBBLE(BX), X10
	PXOR  X11, X11
	MOVQ  DI, R11
	TESTQ AX, AX
	JZ    done

element:
	CMPQ  DI, DX
	JHI   refuse
	MOVB  ELEMENT(BX), R14
	MOVB  R14, (DI)
	INCQ  DI
	MOVQ  DI, R10
	MOVQ  DI, start-8(SP)
	MOVQ  0(SI), R8
	MOVQ  8(SI), R9
	ADDQ  $24, SI
	TESTQ R9, R9
	JNZ   value
	JMP   endElement

component:
	MOVB COMPONENT(BX), R14
	MOVB R14, (DI)
	INCQ DI

value:
	MOVQ    0(R8), R12
	MOVQ    8(R8), CX
	CMPQ    CX, $16
	JHI     long
	CMPQ    DI, DX
	JHI     refuse
	TESTQ   CX, CX
	CMOVQEQ R8, R12    // an empty string may point nowhere: read something, use none of it

tail:
	// Up to 16 bytes are read at once, which harms nobody inside of a page.
	MOVL  R12, R14
	ANDL  $4095, R14
	CMPL  R14, $4080
	JHI   refuse
	MOVOU (R12), X0
	MOVOU X0, (DI)
	LOOK
	NOTL  R14
	MOVL  $-1, R13
	SHLL  CX, R13
	NOTL  R13
	ANDL  R13, R14
	JNZ   escape
	ADDQ  CX, DI

endValue:
	TESTQ   CX, CX
	CMOVQNE DI, R10
	ADDQ    $16, R8
	DECQ    R9
	JNZ     component

endElement:
	MOVQ    R10, DI
	CMPQ    R10, start-8(SP)
	CMOVQNE R10, R11
	DECQ    AX
	JNZ     element

done:
	SUBQ dst+0(FP), R11
	MOVQ R11, ret+48(FP)
	RET

long:
	CMPQ  DI, DX
	JHI   refuse
	MOVOU (R12), X0
	MOVOU X0, (DI)
	LOOK
	CMPL  R14, $0xffff
	JNE   escape
	ADDQ  $16, R12
	ADDQ  $16, DI
	SUBQ  $16, CX
	CMPQ  CX, $16
	JHI   long
	CMPQ  DI, DX
	JHI   refuse
	JMP   tail

escape:
	// The rest of this value byte by byte.
	CMPQ    DI, DX
	JHI     refuse
	MOVBLZX (R12), R14
	MOVBLZX CLASS(BX)(R14*1), R13
	CMPL    R13, $1
	JHI     refuse
	JNE     plain
	MOVB    RELEASE(BX), R13
	MOVB    R13, (DI)
	INCQ    DI

plain:
	MOVB R14, (DI)
	INCQ DI
	INCQ R12
	DECQ CX
	JNZ  escape
	MOVQ $1, CX // it has content
	JMP  endValue

refuse:
	MOVQ $-1, ret+48(FP)
	RET

// func haveJoin() bool
TEXT ·haveJoin(SB), NOSPLIT, $0-1
	MOVL $1, AX
	XORL CX, CX
	CPUID
	SHRL $9, CX // SSSE3
	ANDL $1, CX
	MOVB CX, ret+0(FP)
	RET
