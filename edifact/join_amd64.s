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

// func joinShort(dst *byte, elements []Element, t *joinTable) int
//
//	AX  elements left              R15 dst, DI how far it is written
//	SI  next element               R11 how far with content
//	R8  component, R9 how many     R10 bits of what needs care in it
//	R12 value, CX its length       R13 the separator before it
TEXT ·joinShort(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), R15
	MOVQ elements_base+8(FP), SI
	MOVQ elements_len+16(FP), AX
	MOVQ t+32(FP), BX
	XORL DI, DI
	XORL R10, R10
	XORL R11, R11
	VMOVDQU LOWER(BX), X8
	VMOVDQU UPPER(BX), X9
	VMOVDQU NIBBLE(BX), X10
	VPXOR   X11, X11, X11

	// An element too many is looked at, which harms nobody inside of a page.
	LEAQ  (AX)(AX*2), CX
	LEAQ  -1(SI)(CX*8), CX
	ANDL  $4095, CX
	CMPL  CX, $4072
	JHI   refuse
	TESTQ AX, AX
	JZ    done

element:
	MOVQ    0(SI), R8
	MOVQ    8(SI), R9
	ADDQ    $24, SI
	DECQ    AX
	MOVBLZX ELEMENT(BX), R13
	TESTQ   R9, R9
	JNZ     value

empty:
	// An element without components.
	CMPQ  DI, $62
	JHI   refuse
	MOVB  R13, (R15)(DI*1)
	INCQ  DI
	TESTQ AX, AX
	JNZ   element
	JMP   done

value:
	MOVQ  0(R8), R12
	MOVQ  8(R8), CX
	MOVB  R13, (R15)(DI*1)
	INCQ  DI
	LEAQ  (DI)(CX*1), R14
	CMPQ  R14, $63
	JHI   refuse
	TESTQ CX, CX
	JZ    nothing
	CMPQ  CX, $16
	JHI   refuse
	MOVL  R12, R14
	ANDL  $4095, R14
	CMPL  R14, $4080
	JHI   refuse
	VMOVDQU   (R12), X0
	VMOVDQU   X0, (R15)(DI*1)
	VPSRLW    $4, X0, X1
	VPAND     X10, X0, X0
	VPAND     X10, X1, X1
	VPSHUFB   X0, X8, X0
	VPSHUFB   X1, X9, X1
	VPAND     X0, X1, X0
	VPCMPEQB  X11, X0, X0
	VPMOVMSKB X0, R14
	NOTL      R14
	BZHIL     CX, R14, R14
	SHLXQ     DI, R14, R14
	ORQ       R14, R10
	ADDQ      CX, DI
	MOVQ      DI, R11

next:
	ADDQ    $16, R8
	MOVBLZX COMPONENT(BX), R13
	DECQ    R9
	JNZ     value
	TESTQ   AX, AX
	JNZ     element
	JMP     done

nothing:
	// A component without content. At the end of several it must not be written.
	CMPQ R9, $1
	JNE  next
	CMPB R13, COMPONENT(BX)
	JNE  next

refuse:
	MOVQ $-1, ret+40(FP)
	RET

done:
	TESTQ R10, R10
	JNZ   escape
	MOVQ  R11, ret+40(FP)
	RET

escape:
	// From the last one to the first, each moving up what is behind it.
	POPCNTQ R10, AX
	ADDQ    R11, AX
	CMPQ    AX, $64
	JHI     refuse

again:
	BSRQ    R10, CX
	MOVBLZX (R15)(CX*1), R13
	CMPB    CLASS(BX)(R13*1), $1
	JNE     careful
	VMOVDQU (R15)(CX*1), Y0
	VMOVDQU 32(R15)(CX*1), Y1
	VMOVDQU Y0, 1(R15)(CX*1)
	VMOVDQU Y1, 33(R15)(CX*1)
	MOVBLZX RELEASE(BX), R13
	MOVB    R13, (R15)(CX*1)
	BTRQ    CX, R10
	TESTQ   R10, R10
	JNZ     again
	VZEROUPPER
	MOVQ    AX, ret+40(FP)
	RET

careful:
	VZEROUPPER
	JMP refuse
