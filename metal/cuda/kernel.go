package cuda

import (
	"fmt"
	"math"
	"strings"

	"github.com/holdfast-ci/holdfast/metal/harness"
)

// group is the number of threads of a block.
const group = 256

// PTX is the harness's kernel (see harness.Kernel) in the driver's assembly language: the
// entry "step" with the parameters data (address of floats), n (how many) and iterations,
// for blocks of 256 threads. sin.approx and cos.approx stay within 2^-20 over [-π, π]
// (PTX ISA, sin and cos), where the kernel tolerates 2^-9.
func PTX() string {
	bits := func(v float64) string { return fmt.Sprintf("0f%08X", math.Float32bits(float32(v))) }
	return strings.NewReplacer(
		"TURN", bits(2*math.Pi/harness.Modulus), "HALF", bits(-math.Pi), "NORM", bits(256), "MODULUS", bits(harness.Modulus),
	).Replace(`.version 6.0
.target sm_50
.address_size 64
.visible .entry step(.param .u64 data, .param .u32 n, .param .u32 iterations)
{
	.reg .pred %p<4>;
	.reg .f32 %f<7>;
	.reg .b32 %r<8>;
	.reg .b64 %rd<4>;
	ld.param.u64 %rd1, [data];
	ld.param.u32 %r1, [n];
	ld.param.u32 %r2, [iterations];
	mov.u32 %r3, %ctaid.x;
	mov.u32 %r4, %ntid.x;
	mov.u32 %r5, %tid.x;
	mad.lo.u32 %r3, %r3, %r4, %r5;
	setp.ge.u32 %p1, %r3, %r1;
	@%p1 bra DONE;
	cvta.to.global.u64 %rd1, %rd1;
	mul.wide.u32 %rd2, %r3, 4;
	add.s64 %rd3, %rd1, %rd2;
	ld.global.f32 %f1, [%rd3];
	and.b32 %r6, %r3, 4095;
	add.u32 %r6, %r6, 1;
	cvt.rn.f32.u32 %f2, %r6;
	mov.u32 %r7, 0;
LOOP:
	setp.ge.u32 %p2, %r7, %r2;
	@%p2 bra STORE;
	fma.rn.f32 %f3, %f1, TURN, HALF;
	sin.approx.f32 %f4, %f3;
	cos.approx.f32 %f5, %f3;
	mul.f32 %f6, %f4, %f4;
	fma.rn.f32 %f6, %f5, %f5, %f6;
	mul.f32 %f6, %f6, NORM;
	cvt.rni.f32.f32 %f6, %f6;
	fma.rn.f32 %f1, %f2, %f6, %f1;
	setp.ge.f32 %p3, %f1, MODULUS;
	@%p3 sub.f32 %f1, %f1, MODULUS;
	add.u32 %r7, %r7, 1;
	bra.uni LOOP;
STORE:
	st.global.f32 [%rd3], %f1;
DONE:
	ret;
}
`)
}
