// The fused operations of `ops` on an NVIDIA card: the same functions that the CPU has, held against
// candle's own operations by the tests beside this file. Sums are f32 whatever the values are stored in.
//
// A `row` is `width` values that lie behind each other. Launch shapes are in `mod.rs`.

#include "attention.cuh"
#include "tensor_attention.cuh"
#include "values.cuh"

__device__ __forceinline__ float warp_sum(float x) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

// The row that this warp walks, and its place in it.
__device__ __forceinline__ uint32_t warp_row() {
  return blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
}

// Mean and reciprocal standard deviation of a row, the same in every lane of the warp.
template <typename T>
__device__ __forceinline__ float2 moments(const T *x, uint32_t width, float eps) {
  const uint32_t lane = threadIdx.x % 32;
  float sum = 0.0f, square = 0.0f;
  for (uint32_t i = lane; i < width; i += 32) sum += value(x[i]);
  const float mean = warp_sum(sum) / width;
  for (uint32_t i = lane; i < width; i += 32) {
    const float d = value(x[i]) - mean;
    square += d * d;
  }
  return make_float2(mean, rsqrtf(warp_sum(square) / width + eps));
}

// One warp per row.
template <typename T>
__device__ void layer_norm(const T *x, const T *gamma, const T *beta, T *out, uint32_t rows,
                           uint32_t width, float eps) {
  const uint32_t row = warp_row();
  if (row >= rows) return;
  x += (size_t)row * width;
  out += (size_t)row * width;
  const float2 m = moments(x, width, eps);
  for (uint32_t i = threadIdx.x % 32; i < width; i += 32)
    store(out + i, (value(x[i]) - m.x) * m.y * value(gamma[i]) + value(beta[i]));
}
extern "C" __global__ void layer_norm_f32(const float *x, const float *gamma, const float *beta,
                                          float *out, uint32_t rows, uint32_t width, float eps) {
  layer_norm(x, gamma, beta, out, rows, width, eps);
}
extern "C" __global__ void layer_norm_bf16(const bf16 *x, const bf16 *gamma, const bf16 *beta,
                                           bf16 *out, uint32_t rows, uint32_t width, float eps) {
  layer_norm(x, gamma, beta, out, rows, width, eps);
}

// Layer norm of `x + bias + other`, for reading alone: one warp per row, which stays in its registers. The
// width is a multiple of 4 and at most `4 * 32 * PARTS`.
const int PARTS = 8;
template <typename T>
__device__ void add_norm(const T *x, const T *bias, const T *other, const T *gamma, const T *beta,
                         T *out, uint32_t rows, uint32_t width, float eps) {
  const uint32_t row = warp_row(), own = threadIdx.x % 32 * 4;
  if (row >= rows) return;
  const size_t at = (size_t)row * width;
  float4 sums[PARTS];
  float sum = 0.0f, square = 0.0f;
#pragma unroll
  for (int p = 0; p < PARTS; p++) {
    const uint32_t i = own + 128 * p;
    if (i >= width) break;
    sums[p] = load4(x + at + i);
    add4(sums[p], 1.0f, load4(bias + i));
    add4(sums[p], 1.0f, load4(other + at + i));
    sum += sums[p].x + sums[p].y + sums[p].z + sums[p].w;
  }
  const float mean = warp_sum(sum) / width;
#pragma unroll
  for (int p = 0; p < PARTS; p++) {
    if (own + 128 * p >= width) break;
    add4(sums[p], -mean, make_float4(1, 1, 1, 1));
    square += dot4(sums[p], sums[p]);
  }
  const float by = rsqrtf(warp_sum(square) / width + eps);
#pragma unroll
  for (int p = 0; p < PARTS; p++) {
    const uint32_t i = own + 128 * p;
    if (i >= width) break;
    const float4 g = load4(gamma + i), b = load4(beta + i), d = times4(by, sums[p]);
    store4(out + at + i,
           make_float4(d.x * g.x + b.x, d.y * g.y + b.y, d.z * g.z + b.z, d.w * g.w + b.w));
  }
}
extern "C" __global__ void add_norm_f32(const float *x, const float *bias, const float *other,
                                        const float *gamma, const float *beta, float *out,
                                        uint32_t rows, uint32_t width, float eps) {
  add_norm(x, bias, other, gamma, beta, out, rows, width, eps);
}
extern "C" __global__ void add_norm_bf16(const bf16 *x, const bf16 *bias, const bf16 *other,
                                         const bf16 *gamma, const bf16 *beta, bf16 *out,
                                         uint32_t rows, uint32_t width, float eps) {
  add_norm(x, bias, other, gamma, beta, out, rows, width, eps);
}

// The gradient of x, one warp per row; `stats` gets mean and reciprocal deviation of each row.
extern "C" __global__ void layer_norm_grad_f32(const float *x, const float *gamma,
                                               const float *grad, float *out, float2 *stats,
                                               uint32_t rows, uint32_t width, float eps) {
  const uint32_t row = warp_row();
  if (row >= rows) return;
  const size_t at = (size_t)row * width;
  const float2 m = moments(x + at, width, eps);
  float plain = 0.0f, scaled = 0.0f;
  for (uint32_t i = threadIdx.x % 32; i < width; i += 32) {
    const float g = grad[at + i] * gamma[i];
    plain += g;
    scaled += g * (x[at + i] - m.x) * m.y;
  }
  plain = warp_sum(plain) / width;
  scaled = warp_sum(scaled) / width;
  for (uint32_t i = threadIdx.x % 32; i < width; i += 32) {
    const float hat = (x[at + i] - m.x) * m.y;
    out[at + i] = m.y * (grad[at + i] * gamma[i] - plain - hat * scaled);
  }
  if (threadIdx.x % 32 == 0) stats[row] = m;
}

// Blocks are 32 columns by 8 rows; a block walks every `8 gridDim.y`th row, and adds its sums to `to`.
__device__ __forceinline__ void add_columns(float sum, float *to, uint32_t column, uint32_t width) {
  __shared__ float parts[8][33];
  __syncthreads();
  parts[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || column >= width) return;
  for (int i = 1; i < 8; i++) sum += parts[i][threadIdx.x];
  atomicAdd(to + column, sum);
}

// The gradients of gamma and beta, `[2, width]`, which begin with zeros.
extern "C" __global__ void layer_norm_columns_f32(const float *x, const float *grad,
                                                  const float2 *stats, float *out, uint32_t rows,
                                                  uint32_t width) {
  const uint32_t column = blockIdx.x * 32 + threadIdx.x;
  float gamma = 0.0f, beta = 0.0f;
  if (column < width) {
    for (uint32_t row = blockIdx.y * 8 + threadIdx.y; row < rows; row += gridDim.y * 8) {
      const size_t at = (size_t)row * width + column;
      const float2 m = stats[row];
      gamma += grad[at] * (x[at] - m.x) * m.y;
      beta += grad[at];
    }
  }
  add_columns(gamma, out, column, width);
  add_columns(beta, out + width, column, width);
}

// Sums of columns, `[width]`, which begin with zeros.
extern "C" __global__ void column_sums_f32(const float *x, float *out, uint32_t rows,
                                           uint32_t width) {
  const uint32_t column = blockIdx.x * 32 + threadIdx.x;
  float sum = 0.0f;
  if (column < width)
    for (uint32_t row = blockIdx.y * 8 + threadIdx.y; row < rows; row += gridDim.y * 8)
      sum += x[(size_t)row * width + column];
  add_columns(sum, out, column, width);
}

// One thread per value.
__device__ __forceinline__ size_t place() { return (size_t)blockIdx.x * blockDim.x + threadIdx.x; }

template <typename T>
__device__ void add_bias(const T *x, const T *bias, T *out, size_t count, uint32_t width) {
  const size_t i = place();
  if (i < count) store(out + i, value(x[i]) + value(bias[i % width]));
}
extern "C" __global__ void add_bias_f32(const float *x, const float *bias, float *out, size_t count,
                                        uint32_t width) {
  add_bias(x, bias, out, count, width);
}
extern "C" __global__ void add_bias_bf16(const bf16 *x, const bf16 *bias, bf16 *out, size_t count,
                                         uint32_t width) {
  add_bias(x, bias, out, count, width);
}

__device__ __forceinline__ float normal_cdf(float x) {
  return 0.5f * (1.0f + erff(x * 0.70710678118654752f));
}
template <typename T>
__device__ void gelu(const T *x, T *out, size_t count) {
  const size_t i = place();
  if (i < count) store(out + i, value(x[i]) * normal_cdf(value(x[i])));
}
extern "C" __global__ void gelu_f32(const float *x, float *out, size_t count) {
  gelu(x, out, count);
}
extern "C" __global__ void gelu_bf16(const bf16 *x, bf16 *out, size_t count) {
  gelu(x, out, count);
}
// GELU of `x + bias`, for reading alone: four values a thread, `fours` a row.
template <typename T>
__device__ void bias_gelu(const T *x, const T *bias, T *out, uint32_t count, uint32_t fours) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  float4 v = load4(x + 4 * (size_t)i);
  add4(v, 1.0f, load4(bias + 4 * (i % fours)));
  store4(out + 4 * (size_t)i, make_float4(v.x * normal_cdf(v.x), v.y * normal_cdf(v.y),
                                          v.z * normal_cdf(v.z), v.w * normal_cdf(v.w)));
}
extern "C" __global__ void bias_gelu_f32(const float *x, const float *bias, float *out,
                                         uint32_t count, uint32_t fours) {
  bias_gelu(x, bias, out, count, fours);
}
extern "C" __global__ void bias_gelu_bf16(const bf16 *x, const bf16 *bias, bf16 *out,
                                          uint32_t count, uint32_t fours) {
  bias_gelu(x, bias, out, count, fours);
}

extern "C" __global__ void gelu_grad_f32(const float *x, const float *grad, float *out,
                                         size_t count) {
  const size_t i = place();
  if (i >= count) return;
  const float density = 0.39894228040143268f * expf(-0.5f * x[i] * x[i]);
  out[i] = grad[i] * (normal_cdf(x[i]) + x[i] * density);
}

// out[ids[r]] += grad[r]; `out` begins with zeros.
extern "C" __global__ void rows_grad_f32(const uint32_t *ids, const float *grad, float *out,
                                         size_t count, uint32_t width) {
  const size_t i = place();
  if (i < count) atomicAdd(out + (size_t)ids[i / width] * width + i % width, grad[i]);
}
// The same for a table of few values, which a block adds up by itself first.
extern "C" __global__ void small_rows_grad_f32(const uint32_t *ids, const float *grad, float *out,
                                               size_t count, uint32_t width, uint32_t table) {
  extern __shared__ float sums[];
  for (uint32_t i = threadIdx.x; i < table; i += blockDim.x) sums[i] = 0.0f;
  __syncthreads();
  for (size_t i = place(); i < count; i += (size_t)gridDim.x * blockDim.x)
    atomicAdd(sums + ids[i / width] * width + i % width, grad[i]);
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < table; i += blockDim.x) atomicAdd(out + i, sums[i]);
}

// to += Σ x², by a grid of any size.
extern "C" __global__ void sum_of_squares_f32(const float *x, float *to, size_t count) {
  float sum = 0.0f;
  for (size_t i = place(); i < count; i += (size_t)gridDim.x * blockDim.x) sum += x[i] * x[i];
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) atomicAdd(to, sum);
}

// One step of AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) in two parts, as in
// `training/src/train/optim.rs`: a moment m = beta m + (1 - beta) (scale g)^power, and the weight.
extern "C" __global__ void moment_f32(float *m, const float *g, size_t count, float beta,
                                      float scale, int power) {
  const size_t i = place();
  if (i >= count) return;
  const float x = g[i] * scale;
  m[i] = beta * m[i] + (1.0f - beta) * (power == 2 ? x * x : x);
}
extern "C" __global__ void update_f32(float *w, const float *m, const float *v, size_t count,
                                      float rate, float inverse, float eps, float keep) {
  const size_t i = place();
  if (i < count) w[i] = keep * w[i] - rate * m[i] / (sqrtf(v[i]) * inverse + eps);
}
