// Reading and writing values of f32 and bf16.

#pragma once

#include <cuda_bf16.h>
#include <stdint.h>

typedef __nv_bfloat16 bf16;

__device__ __forceinline__ float value(float x) { return x; }
__device__ __forceinline__ float value(bf16 x) { return __bfloat162float(x); }
__device__ __forceinline__ void store(float *to, float x) { *to = x; }
__device__ __forceinline__ void store(bf16 *to, float x) { *to = __float2bfloat16(x); }

__device__ __forceinline__ float2 load2(const bf16 *from) {
  return __bfloat1622float2(*(const __nv_bfloat162 *)from);
}
// Four neighbouring values; the address is a multiple of their size.
__device__ __forceinline__ float4 load4(const float *from) { return *(const float4 *)from; }
__device__ __forceinline__ float4 load4(const bf16 *from) {
  const __nv_bfloat162 *pairs = (const __nv_bfloat162 *)from;
  const float2 a = __bfloat1622float2(pairs[0]), b = __bfloat1622float2(pairs[1]);
  return make_float4(a.x, a.y, b.x, b.y);
}
__device__ __forceinline__ void store4(float *to, float4 x) { *(float4 *)to = x; }
__device__ __forceinline__ void store4(bf16 *to, float4 x) {
  ((__nv_bfloat162 *)to)[0] = __floats2bfloat162_rn(x.x, x.y);
  ((__nv_bfloat162 *)to)[1] = __floats2bfloat162_rn(x.z, x.w);
}

__device__ __forceinline__ float dot4(float4 a, float4 b) {
  return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}
// a += s b
__device__ __forceinline__ void add4(float4 &a, float s, float4 b) {
  a.x += s * b.x;
  a.y += s * b.y;
  a.z += s * b.z;
  a.w += s * b.w;
}
__device__ __forceinline__ float4 times4(float s, float4 a) {
  return make_float4(s * a.x, s * a.y, s * a.z, s * a.w);
}
