#include "textflag.h"

// Offsets of a step's fields.
#define FN 0
#define FIRST 8
#define RESULT 16
#define MESSAGE 24
#define WORDS 32
#define SIZE 120

// run(first DI *step, n SI) AX left, as C calls it. All of BX, BP, R12 … R15 is the
// caller's. The stack is a multiple of 16 at every call, and holds the six words of two
// structures, which functions without them do not see.
TEXT run<>(SB), NOSPLIT|NOFRAME, $0
	PUSHQ BP
	MOVQ  SP, BP
	PUSHQ BX
	PUSHQ R12
	SUBQ  $48, SP
	MOVQ  DI, BX
	MOVQ  SI, R12

loop:
	TESTQ R12, R12
	JZ    done
	MOVQ  FIRST(BX), AX
	MOVQ  0(AX), DI
	CMPQ  MESSAGE(BX), $0
	JEQ   call
	TESTQ DI, DI
	JZ    done

call:
	MOVUPS (WORDS+40)(BX), X0
	MOVUPS (WORDS+56)(BX), X1
	MOVUPS (WORDS+72)(BX), X2
	MOVUPS X0, 0(SP)
	MOVUPS X1, 16(SP)
	MOVUPS X2, 32(SP)
	MOVQ   (WORDS+0)(BX), SI
	MOVQ   (WORDS+8)(BX), DX
	MOVQ   (WORDS+16)(BX), CX
	MOVQ   (WORDS+24)(BX), R8
	MOVQ   (WORDS+32)(BX), R9
	MOVQ   FN(BX), R11
	XORL   AX, AX
	CALL   R11
	MOVQ   RESULT(BX), CX
	TESTQ  CX, CX
	JZ     next
	MOVQ   AX, 0(CX)

next:
	ADDQ $SIZE, BX
	SUBQ $1, R12
	JMP  loop

done:
	MOVQ R12, AX
	ADDQ $48, SP
	POPQ R12
	POPQ BX
	POPQ BP
	RET

// func runAddress() uintptr
TEXT ·runAddress(SB), NOSPLIT, $0-8
	LEAQ run<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET
