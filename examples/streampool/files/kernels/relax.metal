// A damped oscillator, many of them side by side. One sweep turns a point (x, v) in
// its plane by a fixed angle and shortens it a little; kSweeps sweeps make one pass.
//
// The recurrence has a closed form, so a result tells how many sweeps it went
// through. bench/ reads the constants below from this file: keep each of them on a
// line of its own, `constant constexpr TYPE NAME = LITERAL;`.

#include <metal_stdlib>

using namespace metal;

/// Sweeps of one pass. The cost of the kernel is proportional to it.
constant constexpr uint kSweeps = 64;

/// Length after one sweep, relative to the length before it.
constant constexpr float kDecay = 0.998f;

/// Cosine and sine of the angle of one sweep, 0.05 rad.
constant constexpr float kCos = 0.99875026f;
constant constexpr float kSin = 0.04997917f;

kernel void relax(device float2* points [[buffer(0)]],
                  constant uint& count [[buffer(1)]],
                  uint index [[thread_position_in_grid]])
{
    if (index >= count) {
        return;
    }
    float2 p = points[index];
    for (uint sweep = 0; sweep < kSweeps; ++sweep) {
        p = kDecay * float2(kCos * p.x - kSin * p.y, kSin * p.x + kCos * p.y);
    }
    points[index] = p;
}
