// Attention of packed sequences in bf16 on tensor cores, as FlashAttention-2 does it (Dao 2023, arXiv
// 2307.08691): scores and weights never leave the registers. A block is one head (`blockIdx.y`) of one tile of
// 64 rows, a warp 16 of these; keys and values pass through shared memory, `KEYS` at a time. Tiles, biases and
// shapes are those of `attention.cuh`. The products are `mma.m16n8k16` (PTX ISA, "Matrix Fragments for
// mma.m16n8k16"): in a lane, `group` is its row of a fragment and `pair` the first of its two columns.
#pragma once

#include "values.cuh"

const int KEYS = 64;

__device__ __forceinline__ uint32_t pack(float low, float high) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
  return *(const uint32_t *)&both;
}

// d += a b
__device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                         uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four matrices of 8 by 8, whose rows' addresses the lanes bring, eight each.
__device__ __forceinline__ void four(uint32_t (&to)[4], const bf16 *row) {
  const uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address));
}
__device__ __forceinline__ void four_turned(uint32_t (&to)[4], const bf16 *row) {
  const uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address));
}

// The greatest, and the sum, of a fragment's row, which four lanes share.
__device__ __forceinline__ float row_most(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ __forceinline__ float row_sum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

template <int D>
__device__ void tensor_attention(const bf16 *qkv, const bf16 *bias, const int *tiles, bf16 *out,
                                 int hidden, float scale) {
  // Eight values more than a row has, so that eight rows lie in different banks.
  __shared__ __align__(16) bf16 keys[KEYS][D + 8], values[KEYS][D + 8];
  const int lane = threadIdx.x % 32, group = lane / 4, pair = lane % 4 * 2;
  const int *tile = tiles + 3 * blockIdx.x;
  const int start = tile[0], end = tile[1], first = tile[2] + threadIdx.x / 32 * 16;
  const int stride = 3 * hidden, head = blockIdx.y * D;
  uint32_t q[D / 16][4];
#pragma unroll
  for (int k = 0; k < D / 16; k++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int row = first + group + i % 2 * 8, column = head + 16 * k + pair + i / 2 * 8;
      float2 x = make_float2(0.0f, 0.0f);
      if (row < end) {
        x = load2(qkv + (size_t)row * stride + column);
        if (bias) {
          const float2 b = load2(bias + column);
          x.x += b.x;
          x.y += b.y;
        }
      }
      q[k][i] = pack(x.x, x.y);
    }
  }
  float sums[D / 8][4] = {}, most[2] = {-INFINITY, -INFINITY}, total[2] = {0.0f, 0.0f};
  // Powers of two instead of e.
  const float turn = scale * 1.4426950408889634f;
  for (int base = start; base < end; base += KEYS) {
    __syncthreads();
    for (int i = threadIdx.x; i < KEYS * (D / 8); i += blockDim.x) {
      const int row = i / (D / 8), part = i % (D / 8) * 8;
      uint4 k = make_uint4(0, 0, 0, 0), v = k;
      if (base + row < end) {
        const bf16 *from = qkv + (size_t)(base + row) * stride + hidden + head + part;
        k = *(const uint4 *)from;
        v = *(const uint4 *)(from + hidden);
      }
      *(uint4 *)&keys[row][part] = k;
      *(uint4 *)&values[row][part] = v;
    }
    __syncthreads();
    float s[KEYS / 8][4] = {};
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
      for (int k = 0; k < D / 32; k++) {
        uint32_t b[4];
        four(b, &keys[8 * n + lane % 8][32 * k + lane / 8 * 8]);
        multiply(s[n], q[2 * k], b[0], b[1]);
        multiply(s[n], q[2 * k + 1], b[2], b[3]);
      }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float now = -INFINITY;
#pragma unroll
      for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
          float &x = s[n][2 * half + i];
          x = base + 8 * n + pair + i < end ? x * turn : -INFINITY;
          now = fmaxf(now, x);
        }
      }
      now = fmaxf(most[half], row_most(now));
      const float shrink = exp2f(most[half] - now);
      most[half] = now;
      float sum = 0.0f;
#pragma unroll
      for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
          float &x = s[n][2 * half + i];
          x = exp2f(x - now);
          sum += x;
        }
      }
      total[half] = total[half] * shrink + sum;
#pragma unroll
      for (int n = 0; n < D / 8; n++) {
        sums[n][2 * half] *= shrink;
        sums[n][2 * half + 1] *= shrink;
      }
    }
#pragma unroll
    for (int k = 0; k < KEYS / 16; k++) {
      const uint32_t weights[4] = {pack(s[2 * k][0], s[2 * k][1]), pack(s[2 * k][2], s[2 * k][3]),
                                   pack(s[2 * k + 1][0], s[2 * k + 1][1]),
                                   pack(s[2 * k + 1][2], s[2 * k + 1][3])};
#pragma unroll
      for (int n = 0; n < D / 16; n++) {
        uint32_t b[4];
        four_turned(b, &values[16 * k + lane % 16][16 * n + lane / 16 * 8]);
        multiply(sums[2 * n], weights, b[0], b[1]);
        multiply(sums[2 * n + 1], weights, b[2], b[3]);
      }
    }
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int row = first + group + 8 * half;
    const float by = 1.0f / row_sum(total[half]);
    if (row >= end) continue;
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
      const int column = head + 8 * n + pair;
      float2 b = make_float2(0.0f, 0.0f);
      if (bias) b = load2(bias + 2 * hidden + column);
      *(uint32_t *)(out + (size_t)row * hidden + column) =
          pack(sums[n][2 * half] * by + b.x, sums[n][2 * half + 1] * by + b.y);
    }
  }
}

#define TENSOR_ATTENTION(D)                                                                        \
  extern "C" __global__ void attention_##D##_bf16(const bf16 *qkv, const bf16 *bias,               \
                                                  const int *tiles, bf16 *out, int hidden,         \
                                                  float scale) {                                   \
    tensor_attention<D>(qkv, bias, tiles, out, hidden, scale);                                     \
  }
TENSOR_ATTENTION(32)
TENSOR_ATTENTION(64)
