#include "textflag.h"

// Offsets of a step's fields.
#define FN 0
#define FIRST 8
#define RESULT 16
#define MESSAGE 24
#define WORDS 32
#define SIZE 120

// run(first R0 *step, n R1) R0 left, as C calls it. R19 … R29 are the caller's.
TEXT run<>(SB), NOSPLIT|NOFRAME, $0
	SUB  $32, RSP
	STP  (R29, R30), (RSP)
	STP  (R19, R20), 16(RSP)
	MOVD RSP, R29
	MOVD R0, R19
	MOVD R1, R20

loop:
	CBZ  R20, done
	MOVD FIRST(R19), R9
	MOVD (R9), R0
	MOVD MESSAGE(R19), R10
	CBZ  R10, call
	CBZ  R0, done

call:
	LDP  (WORDS+0)(R19), (R1, R2)
	LDP  (WORDS+16)(R19), (R3, R4)
	LDP  (WORDS+32)(R19), (R5, R6)
	MOVD (WORDS+48)(R19), R7
	MOVD FN(R19), R9
	CALL (R9)
	MOVD RESULT(R19), R9
	CBZ  R9, next
	MOVD R0, (R9)

next:
	ADD $SIZE, R19
	SUB $1, R20
	B   loop

done:
	MOVD R20, R0
	LDP  16(RSP), (R19, R20)
	LDP  (RSP), (R29, R30)
	ADD  $32, RSP
	RET

// func runAddress() uintptr
TEXT ·runAddress(SB), NOSPLIT, $0-8
	MOVD $run<>(SB), R0
	MOVD R0, ret+0(FP)
	RET
