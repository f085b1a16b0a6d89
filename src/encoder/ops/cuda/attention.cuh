// Attention of packed sequences. `qkv` is `[total, 3 hidden]`. A block is one head (`blockIdx.y`) of one
// tile: `tiles` says where the tile's sequence begins and ends, and its own first row. A thread is one
// row, and walks the rows of its sequence, of which `TILE` are in shared memory at a time. The softmax
// is online (Milakov & Gimelshein 2018, arXiv 1805.02867).
#pragma once

#include "values.cuh"

const int TILE = 32;

struct Tile {
  int start, end, row;
};
__device__ __forceinline__ Tile tile_of(const int *tiles) {
  const int *tile = tiles + 3 * blockIdx.x;
  return {tile[0], tile[1], tile[2] + (int)threadIdx.x};
}

// Brings `count` rows of `D` values, `stride` apart, into shared memory.
template <typename T, int D>
__device__ __forceinline__ void bring(float4 (*to)[D / 4], const T *from, int count, int stride) {
  for (int i = threadIdx.x; i < count * (D / 4); i += blockDim.x) {
    const int row = i / (D / 4), part = i % (D / 4);
    to[row][part] = load4(from + (size_t)row * stride + 4 * part);
  }
}

// `bias` is that of the projections, `[3 hidden]`, or null. That of the keys adds the same to all scores of a
// row: softmax drops it. That of the values is added to their mean.
template <typename T, int D>
__device__ void attention(const T *qkv, const T *bias, const int *tiles, T *out, int hidden,
                          float scale) {
  __shared__ float4 keys[TILE][D / 4], values[TILE][D / 4];
  const Tile t = tile_of(tiles);
  const int stride = 3 * hidden, head = blockIdx.y * D;
  const bool live = t.row < t.end;
  float4 q[D / 4], sum[D / 4];
  float most = -INFINITY, total = 0.0f;
#pragma unroll
  for (int c = 0; c < D / 4; c++) {
    q[c] = live ? load4(qkv + (size_t)t.row * stride + head + 4 * c) : make_float4(0, 0, 0, 0);
    if (bias) add4(q[c], 1.0f, load4(bias + head + 4 * c));
    q[c] = times4(scale, q[c]);
    sum[c] = make_float4(0, 0, 0, 0);
  }
  for (int base = t.start; base < t.end; base += TILE) {
    const int count = min(TILE, t.end - base);
    const T *from = qkv + (size_t)base * stride + hidden + head;
    __syncthreads();
    bring<T, D>(keys, from, count, stride);
    bring<T, D>(values, from + hidden, count, stride);
    __syncthreads();
    for (int j = 0; j < count; j++) {
      float score = 0.0f;
#pragma unroll
      for (int c = 0; c < D / 4; c++) score += dot4(q[c], keys[j][c]);
      if (score > most) {
        const float shrink = __expf(most - score);
        total *= shrink;
#pragma unroll
        for (int c = 0; c < D / 4; c++) sum[c] = times4(shrink, sum[c]);
        most = score;
      }
      const float weight = __expf(score - most);
      total += weight;
#pragma unroll
      for (int c = 0; c < D / 4; c++) add4(sum[c], weight, values[j][c]);
    }
  }
  if (!live) return;
#pragma unroll
  for (int c = 0; c < D / 4; c++) {
    float4 mean = times4(1.0f / total, sum[c]);
    if (bias) add4(mean, 1.0f, load4(bias + 2 * hidden + head + 4 * c));
    store4(out + (size_t)t.row * hidden + head + 4 * c, mean);
  }
}

// The gradient of the queries, into the first third of `out`; `stats` `[heads, rows]` gets the logarithm
// of each softmax's sum, and the product of the output and its gradient.
template <int D>
__device__ void attention_queries(const float *qkv, const float *grad, const int *tiles, float *out,
                                  float2 *stats, int rows, int hidden, float scale) {
  __shared__ float4 keys[TILE][D / 4], values[TILE][D / 4];
  const Tile t = tile_of(tiles);
  const int stride = 3 * hidden, head = blockIdx.y * D;
  const bool live = t.row < t.end;
  float4 q[D / 4], g[D / 4], sum[D / 4];
  float most = -INFINITY, total = 0.0f, product = 0.0f;
#pragma unroll
  for (int c = 0; c < D / 4; c++) {
    const float4 zero = make_float4(0, 0, 0, 0);
    q[c] = live ? times4(scale, load4(qkv + (size_t)t.row * stride + head + 4 * c)) : zero;
    g[c] = live ? load4(grad + (size_t)t.row * hidden + head + 4 * c) : zero;
    sum[c] = zero;
  }
  // Twice over the keys: first what the softmax divides by, and Σ p (g · v), then the gradient.
  float last = 0.0f;
  for (int pass = 0; pass < 2; pass++) {
    for (int base = t.start; base < t.end; base += TILE) {
      const int count = min(TILE, t.end - base);
      const float *from = qkv + (size_t)base * stride + hidden + head;
      __syncthreads();
      bring<float, D>(keys, from, count, stride);
      bring<float, D>(values, from + hidden, count, stride);
      __syncthreads();
      for (int j = 0; j < count; j++) {
        float score = 0.0f, toward = 0.0f;
#pragma unroll
        for (int c = 0; c < D / 4; c++) {
          score += dot4(q[c], keys[j][c]);
          toward += dot4(g[c], values[j][c]);
        }
        if (pass == 0) {
          if (score > most) {
            const float shrink = __expf(most - score);
            total *= shrink;
            product *= shrink;
            most = score;
          }
          const float weight = __expf(score - most);
          total += weight;
          product += weight * toward;
        } else {
          const float slope = __expf(score - last) * (toward - product);
#pragma unroll
          for (int c = 0; c < D / 4; c++) add4(sum[c], slope, keys[j][c]);
        }
      }
    }
    if (pass == 0) {
      last = most + logf(total);
      product /= total;
    }
  }
  if (!live) return;
  stats[(size_t)blockIdx.y * rows + t.row] = make_float2(last, product);
#pragma unroll
  for (int c = 0; c < D / 4; c++)
    store4(out + (size_t)t.row * stride + head + 4 * c, times4(scale, sum[c]));
}

// The gradients of keys and values, into the other two thirds of `out`.
template <int D>
__device__ void attention_keys(const float *qkv, const float *grad, const int *tiles, float *out,
                               const float2 *stats, int rows, int hidden, float scale) {
  __shared__ float4 queries[TILE][D / 4], grads[TILE][D / 4];
  __shared__ float2 softmax[TILE];
  const Tile t = tile_of(tiles);
  const int stride = 3 * hidden, head = blockIdx.y * D;
  const bool live = t.row < t.end;
  const float *own = qkv + (size_t)t.row * stride + hidden + head;
  float4 k[D / 4], v[D / 4], dk[D / 4], dv[D / 4];
#pragma unroll
  for (int c = 0; c < D / 4; c++) {
    const float4 zero = make_float4(0, 0, 0, 0);
    k[c] = live ? times4(scale, load4(own + 4 * c)) : zero;
    v[c] = live ? load4(own + hidden + 4 * c) : zero;
    dk[c] = zero;
    dv[c] = zero;
  }
  for (int base = t.start; base < t.end; base += TILE) {
    const int count = min(TILE, t.end - base);
    __syncthreads();
    bring<float, D>(queries, qkv + (size_t)base * stride + head, count, stride);
    bring<float, D>(grads, grad + (size_t)base * hidden + head, count, hidden);
    if (threadIdx.x < count) softmax[threadIdx.x] = stats[(size_t)blockIdx.y * rows + base + threadIdx.x];
    __syncthreads();
    for (int j = 0; j < count; j++) {
      float score = 0.0f, toward = 0.0f;
#pragma unroll
      for (int c = 0; c < D / 4; c++) {
        score += dot4(k[c], queries[j][c]);
        toward += dot4(v[c], grads[j][c]);
      }
      const float weight = __expf(score - softmax[j].x);
      const float slope = weight * (toward - softmax[j].y);
#pragma unroll
      for (int c = 0; c < D / 4; c++) {
        add4(dk[c], slope, queries[j][c]);
        add4(dv[c], weight, grads[j][c]);
      }
    }
  }
  if (!live) return;
  float *to = out + (size_t)t.row * stride + hidden + head;
#pragma unroll
  for (int c = 0; c < D / 4; c++) {
    store4(to + 4 * c, times4(scale, dk[c]));
    store4(to + hidden + 4 * c, dv[c]);
  }
}

#define ATTENTION(D)                                                                               \
  extern "C" __global__ void attention_##D##_f32(const float *qkv, const float *bias,              \
                                                 const int *tiles, float *out, int hidden,         \
                                                 float scale) {                                    \
    attention<float, D>(qkv, bias, tiles, out, hidden, scale);                                     \
  }
#define ATTENTION_GRAD(D)                                                                          \
  extern "C" __global__ void attention_queries_##D##_f32(                                          \
      const float *qkv, const float *grad, const int *tiles, float *out, float2 *stats, int rows,  \
      int hidden, float scale) {                                                                   \
    attention_queries<D>(qkv, grad, tiles, out, stats, rows, hidden, scale);                       \
  }                                                                                                \
  extern "C" __global__ void attention_keys_##D##_f32(                                             \
      const float *qkv, const float *grad, const int *tiles, float *out, const float2 *stats,      \
      int rows, int hidden, float scale) {                                                         \
    attention_keys<D>(qkv, grad, tiles, out, stats, rows, hidden, scale);                          \
  }
ATTENTION(32)
ATTENTION(64)
ATTENTION_GRAD(32)
ATTENTION_GRAD(64)
