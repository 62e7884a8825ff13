#include <metal_stdlib>
using namespace metal;

constant constexpr uint kSweeps = 4;
struct Args { uint n; float scale; };

inline float4 scale(float4 v, constant Args& a) { return v * a.scale; } // fn: scale

kernel void relax(device float* x [[buffer(0)]], // fn: relax
                  constant Args& args [[buffer(1)]],
                  uint i [[thread_position_in_grid]]) {
  for (uint s = 0; s < kSweeps; ++s) { x[i] = 0.5f * (x[i] + 1'000.0f); }
}

[[kernel]] void copy(device half* out [[buffer(0)]]) { } // fn: copy

vertex float4 corner(uint id [[vertex_id]]) { return float4(0); } // fn: corner
template <typename T> [[host_name("add")]] kernel void add(device T* a) { } // fn: add
