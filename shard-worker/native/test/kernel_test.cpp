/*
 * Every kernel of every instruction set of this machine against plain loops, at shapes around the widths of vectors and tiles, in buffers that end where
 * their last value does. Built with sanitizers by scripts/native-sanitizers.mjs. Prints the largest error of each kind and "N checks, N failed".
 */

#include <cmath>
#include <cstring>
#include <vector>

#include "../include/kernels.h"
#include "check.h"

using golddiff_test::Buffer;
using golddiff_test::Random;

namespace golddiff_test {
void engine_tests(const gd_kernels *kernels);
void group_tests(const gd_kernels *kernels);
void memory_tests(const gd_kernels *kernels);
void region_tests(const gd_kernels *kernels);
void relevance_tests(const gd_kernels *kernels);
void word_tests(const gd_kernels *kernels);
void rank_tests(const gd_kernels *kernels);
}

namespace {

/* Around 16 and 64, primes, and more than a strip or a tile. */
const size_t DIMS[] = {1, 2, 15, 16, 17, 31, 63, 64, 65, 101, 127, 128, 784};
const size_t ROWS[] = {0, 1, 3, 4, 5, 11, 12, 13, 15, 16, 17, 63, 64, 65, 191, 193, 211};
const size_t COLUMNS[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65};

void products(const gd_kernels *k) {
  Random random(1);
  for (const size_t dim : DIMS)
    for (const size_t columns : COLUMNS) {
      const size_t n = ROWS[random.below(sizeof ROWS / sizeof *ROWS)];
      Buffer<uint8_t> rows(n * dim + GD_DOT_SLACK);
      Buffer<int8_t> q(columns * dim);
      const bool extreme = random.below(4) == 0;
      for (size_t i = 0; i < rows.size(); i++) rows[i] = extreme ? 255 : static_cast<uint8_t>(random.bits());
      for (size_t i = 0; i < q.size(); i++) q[i] = extreme ? (random.below(2) ? -128 : 127) : static_cast<int8_t>(random.bits());
      Buffer<uint8_t> packed(k->packed_bytes(dim, columns));
      k->pack(q.data(), dim, columns, packed.data());
      Buffer<int32_t> out(n * columns);
      /* Rows in any order, some twice. */
      Buffer<const uint8_t *> at(n);
      for (size_t r = 0; r < n; r++) at[r] = rows.data() + random.below(n) * dim;
      k->dot_u8s8(at.data(), n, dim, packed.data(), columns, out.data());
      for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < columns; c++) {
          int64_t want = 0;
          for (size_t p = 0; p < dim; p++) want += static_cast<int64_t>(at[r][p]) * q[c * dim + p];
          CHECK(out[r * columns + c] == want, "%s n=%zu D=%zu C=%zu row %zu column %zu", k->isa, n, dim, columns, r, c);
        }
    }
  /* The longest row that is promised, all at their extremes: the sum stays within 32 bits. */
  const size_t dim = GD_DOT_DIM_MAX;
  for (const size_t columns : {size_t{1}, size_t{17}}) {
    Buffer<uint8_t> rows(dim + GD_DOT_SLACK);
    Buffer<int8_t> q(columns * dim);
    std::memset(rows.data(), 255, rows.size());
    std::memset(q.data(), -128, q.size());
    Buffer<uint8_t> packed(k->packed_bytes(dim, columns));
    k->pack(q.data(), dim, columns, packed.data());
    Buffer<int32_t> out(columns);
    const uint8_t *const at = rows.data();
    k->dot_u8s8(&at, 1, dim, packed.data(), columns, out.data());
    for (size_t c = 0; c < columns; c++) CHECK(out[c] == -static_cast<int64_t>(dim) * 255 * 128, "%s C=%zu column %zu is %d", k->isa, columns, c, out[c]);
  }
}

void exponential(const gd_kernels *k) {
  Random random(2);
  double worst = 0;
  for (int round = 0; round < 400; round++) {
    const size_t n = static_cast<size_t>(round < 40 ? round : 503);
    Buffer<double> x(n), out(n);
    for (size_t i = 0; i < n; i++) x[i] = round % 3 == 0 ? -random.uniform() : round % 3 == 1 ? random.between(-708, 0) : -std::pow(2, random.between(-60, 9.4));
    if (n > 3) x[0] = 0, x[1] = -0.0, x[2] = -708;
    k->exp_nonpositive(x.data(), out.data(), n);
    for (size_t i = 0; i < n; i++) {
      const long double want = expl(static_cast<long double>(x[i]));
      const double ulp = std::nextafter(static_cast<double>(want), INFINITY) - static_cast<double>(want);
      const double error = static_cast<double>(fabsl(static_cast<long double>(out[i]) - want)) / ulp;
      if (error > worst) worst = error;
      CHECK(error <= 2, "%s exp(%.17g) is %.17g, off by %.2f ulp", k->isa, x[i], out[i], error);
    }
  }
  std::printf("%s: exp off by at most %.3f ulp\n", k->isa, worst);
  double low[] = {-708.5, -745, -1e6, -INFINITY, 0, -1e300};
  k->exp_nonpositive(low, low, 6);
  for (const size_t i : {0, 1, 2, 3, 5}) CHECK(low[i] == 0, "%s exp far below is %g", k->isa, low[i]);
  CHECK(low[4] == 1, "%s exp(0) is %.17g", k->isa, low[4]);
}

void distances(const gd_kernels *k) {
  Random random(3);
  double worst = 0;
  for (const size_t dim : DIMS)
    for (int round = 0; round < 8; round++) {
      Buffer<double> q(dim);
      Buffer<uint8_t> u(dim);
      Buffer<float> f(dim);
      const double scale = random.between(0.001, 2);
      long double want_u = 0, want_f = 0;
      for (size_t p = 0; p < dim; p++) {
        q[p] = random.between(-3, 3);
        u[p] = static_cast<uint8_t>(random.bits());
        f[p] = static_cast<float>(random.between(-1, 1));
        const long double du = q[p] - static_cast<long double>(scale) * u[p];
        const long double df = q[p] - static_cast<long double>(scale) * f[p];
        want_u += du * du;
        want_f += df * df;
      }
      const double error_u = static_cast<double>(fabsl(k->distance_u8(q.data(), u.data(), scale, dim) - want_u) / want_u);
      const double error_f = static_cast<double>(fabsl(k->distance_f32(q.data(), f.data(), scale, dim) - want_f) / want_f);
      worst = std::fmax(worst, std::fmax(error_u, error_f));
      /* Each value by half an ulp three times, its square by twice that, and few sums of many. */
      CHECK(error_u < 1e-13 && error_f < 1e-13, "%s D=%zu distance off by %g and %g", k->isa, dim, error_u, error_f);
    }
  std::printf("%s: distances off by at most %.2g, relative\n", k->isa, worst);
}

void integer_sums(const gd_kernels *k) {
  Random random(7);
  for (const size_t dim : DIMS)
    for (const size_t columns : {1, 2, 3, 5, 6, 7, 12, 13, 48}) {
      const size_t n = columns == 48 && dim == 784 ? 2048 : ROWS[random.below(sizeof ROWS / sizeof *ROWS)];
      const size_t wstride = (n + 3) / 4 * 4;
      Buffer<uint8_t> v(n * dim);
      Buffer<int8_t> w(columns * wstride);
      Buffer<int32_t> out(columns * GD_SUM_STRIDE(dim));
      std::vector<const uint8_t *> rows(n);
      const bool extreme = random.below(3) == 0;
      for (size_t i = 0; i < v.size(); i++) v[i] = extreme ? 255 : static_cast<uint8_t>(random.bits());
      /* In any order, as gathered rows are. */
      for (size_t r = 0; r < n; r++) rows[r] = v.data() + random.below(n) * dim;
      for (size_t c = 0; c < columns; c++)
        for (size_t r = 0; r < n; r++) w[c * wstride + r] = extreme ? (c % 2 ? -128 : 127) : static_cast<int8_t>(random.bits());
      k->sum_u8s8(rows.data(), n, dim, w.data(), wstride, columns, columns % 2 == 0 ? nullptr : rows.data(), out.data());
      for (size_t c = 0; c < columns; c++)
        for (size_t p = 0; p < dim; p++) {
          int64_t want = 0;
          for (size_t r = 0; r < n; r++) want += static_cast<int64_t>(w[c * wstride + r]) * rows[r][p];
          CHECK(out[c * GD_SUM_STRIDE(dim) + p] == want, "%s sum of n=%zu D=%zu C=%zu column %zu value %zu", k->isa, n, dim, columns, c, p);
        }
    }
  /* The most rows that are promised, all at their extremes: the sum stays within 32 bits. */
  const uint8_t bright[64] = {255, 255, 255};
  std::vector<const uint8_t *> rows(GD_SUM_U8_ROWS_MAX, bright);
  Buffer<int8_t> w(GD_SUM_U8_ROWS_MAX);
  std::memset(w.data(), -128, w.size());
  Buffer<int32_t> out(GD_SUM_STRIDE(3));
  k->sum_u8s8(rows.data(), rows.size(), 3, w.data(), w.size(), 1, nullptr, out.data());
  for (size_t p = 0; p < 3; p++) CHECK(out[p] == -static_cast<int64_t>(GD_SUM_U8_ROWS_MAX) * 255 * 128, "%s longest sum is %d", k->isa, out[p]);
}

void distances_by_products(const gd_kernels *k) {
  Random random(8);
  double worst = 0;
  for (const auto &[planes, base] : {std::pair<size_t, double>{1, 256}, {2, 256}, {1, 32768}})
    for (const size_t limbs : {1, 2, 3, 4})
      for (const size_t queries : {1, 2, 3, 7, 8, 9, 17}) {
        const size_t n = ROWS[random.below(sizeof ROWS / sizeof *ROWS)], before = random.below(4), total = before + limbs * queries + random.below(3);
        Buffer<int32_t> products(planes * n * total + 16);
        Buffer<double> sum(n), sum_sq(n), out(queries * n);
        std::vector<gd_distance_terms> terms(queries);
        std::vector<double *> places(queries);
        for (size_t i = 0; i < products.size(); i++) products[i] = static_cast<int32_t>(random.bits());
        for (size_t r = 0; r < n; r++) sum[r] = random.between(0, 1e5), sum_sq[r] = random.between(0, 1e7);
        for (size_t q = 0; q < queries; q++) {
          terms[q] = {random.between(0, 1), random.between(-1, 1) * std::pow(base, 1.0 - static_cast<double>(limbs)) * std::pow(256.0, -static_cast<double>(planes)),
                      random.between(-1, 1), random.between(-1e5, 1e5), q % 2 == 0 ? 0 : std::floor(random.between(-0x1p45, 0x1p45))};
          places[q] = out.data() + q * n;
        }
        k->distances_of_products(products.data() + before, total, n * total, planes, limbs, base, n, queries, terms.data(), sum.data(), sum_sq.data(), places.data());
        Buffer<double> plain(queries * n);
        for (size_t q = 0; q < queries; q++) places[q] = plain.data() + q * n;
        gd_kernels_scalar()->distances_of_products(products.data() + before, total, n * total, planes, limbs, base, n, queries, terms.data(), sum.data(), sum_sq.data(),
                                                   places.data());
        CHECK(std::memcmp(out.data(), plain.data(), queries * n * sizeof(double)) == 0, "%s distances of %zu planes, %zu limbs have other bits than scalar", k->isa,
              planes, limbs);
        for (size_t q = 0; q < queries; q++)
          for (size_t r = 0; r < n; r++) {
            long double v = terms[q].shift;
            for (size_t plane = 0; plane < planes; plane++)
              for (size_t l = 0; l < limbs; l++)
                v += powl(256, static_cast<long double>(plane)) * powl(base, static_cast<long double>(l)) * products[plane * n * total + r * total + before + l * queries + q];
            const long double parts[] = {terms[q].square * static_cast<long double>(sum_sq[r]), terms[q].cross * v, terms[q].linear * static_cast<long double>(sum[r]), terms[q].constant};
            const long double want = fmaxl(0, parts[0] + parts[1] + parts[2] + parts[3]);
            const long double size = fabsl(parts[0]) + fabsl(terms[q].cross) * (fabsl(terms[q].shift) + fabsl(v - terms[q].shift)) + fabsl(parts[2]) + fabsl(parts[3]);
            const double error = static_cast<double>(fabsl(out[q * n + r] - want) / size);
            worst = std::fmax(worst, error);
            /* Each term is rounded a few times. */
            CHECK(error < 8 * 0x1p-53, "%s distance of %zu planes, %zu limbs, query %zu of %zu, row %zu off by %g", k->isa, planes, limbs, q, queries, r, error);
          }
      }
  std::printf("%s: distances by products off by at most %.2g of their terms\n", k->isa, worst);
}

void weights(const gd_kernels *k) {
  Random random(9);
  double worst = 0;
  for (const size_t limbs : {1, 2, 3})
    for (const size_t n : {0, 1, 7, 8, 9, 64, 211}) {
      const size_t ostride = n + 3;
      const double reach = 127 * (std::pow(256, static_cast<double>(limbs)) - 1) / 255, nearest = 40, scale = random.between(0.01, 2);
      const double farthest = n % 2 == 0 ? 60 : INFINITY;
      Buffer<double> distance(n), dither((n + 7) / 8 * 8);
      Buffer<int8_t> out(limbs * ostride);
      for (size_t i = 0; i < n; i++) distance[i] = i % 5 == 0 ? nearest : random.between(nearest, 70);
      for (size_t i = 0; i < dither.size(); i++) dither[i] = random.between(-0.499, 0.499);
      size_t kept = 0, want_kept = 0;
      int64_t total = 0;
      const int64_t sum = k->integer_weights(distance.data(), n, nearest, farthest, scale, reach, dither.data(), limbs, out.data(), ostride, &kept);
      for (size_t i = 0; i < n; i++) {
        int64_t weight = 0;
        for (size_t l = limbs; l-- > 0;) weight = weight * 256 + out[l * ostride + i];
        const double want = distance[i] > farthest ? 0 : std::exp((nearest - distance[i]) * scale) * reach;
        want_kept += distance[i] > farthest ? 0 : 1;
        total += weight;
        const double error = std::fabs(static_cast<double>(weight) - want - (distance[i] > farthest ? 0 : dither[i]));
        worst = std::fmax(worst, error);
        CHECK(error <= 0.5 + 1e-6, "%s weight %zu of %zu off by %g with %zu limbs", k->isa, i, n, error, limbs);
        if (distance[i] == nearest) CHECK(weight == static_cast<int64_t>(reach), "%s the heaviest weight is %lld", k->isa, static_cast<long long>(weight));
      }
      CHECK(sum == total && kept == want_kept, "%s weights of %zu: sum %lld, kept %zu", k->isa, n, static_cast<long long>(sum), kept);
    }
  std::printf("%s: weights off by at most %.4f of a step\n", k->isa, worst);
}

void digits(const gd_kernels *k) {
  Random random(11);
  for (const size_t limbs : {1, 2, 3})
    for (const size_t n : {1, 7, 8, 9, 65}) {
      Buffer<int32_t> sums(limbs * (n + 1));
      Buffer<double> out(n);
      for (size_t i = 0; i < sums.size(); i++) sums[i] = static_cast<int32_t>(random.bits());
      k->combined_digits(sums.data(), n + 1, limbs, 0.25, n, out.data());
      for (size_t p = 0; p < n; p++) {
        int64_t want = 0;
        for (size_t l = limbs; l-- > 0;) want = want * 256 + sums[l * (n + 1) + p];
        CHECK(out[p] == 0.25 * static_cast<double>(want), "%s digits %zu of %zu: %g", k->isa, p, n, out[p]);
      }
    }
}

void weighted(const gd_kernels *k) {
  Random random(4);
  double worst = 0;
  for (const size_t dim : DIMS)
    for (const size_t queries : {1, 2, 3, 4, 5, 9}) {
      const size_t n = ROWS[random.below(sizeof ROWS / sizeof *ROWS)];
      Buffer<float> v(n * dim), w(queries * n);
      Buffer<double> sums(queries * dim);
      for (size_t i = 0; i < v.size(); i++) v[i] = static_cast<float>(random.between(-1, 1));
      for (size_t i = 0; i < w.size(); i++) w[i] = static_cast<float>(random.uniform());
      for (size_t i = 0; i < sums.size(); i++) sums[i] = static_cast<double>(i);
      k->weighted_f32(v.data(), dim, n, w.data(), n, queries, sums.data(), dim);
      for (size_t b = 0; b < queries; b++)
        for (size_t p = 0; p < dim; p++) {
          double want = static_cast<double>(b * dim + p), size = 0;
          for (size_t r = 0; r < n; r++) {
            want += static_cast<double>(w[b * n + r]) * static_cast<double>(v[r * dim + p]);
            size += static_cast<double>(w[b * n + r]) * std::fabs(static_cast<double>(v[r * dim + p]));
          }
          const double error = std::fabs(sums[b * dim + p] - want);
          if (size > 0) worst = std::fmax(worst, error / size);
          /* At most 64 float additions, each half an ulp of what it has. */
          CHECK(error <= size * 64 * 0x1p-24 + 1e-12 * want, "%s n=%zu D=%zu query %zu of %zu value %zu off by %g", k->isa, n, dim, b, queries, p, error);
        }
    }
  std::printf("%s: weighted sums of float rows off by at most %.2g of the sum of magnitudes\n", k->isa, worst);
}

void ranges(const gd_kernels *k) {
  Random random(10);
  for (const size_t n : {0, 1, 3, 8, 9, 64, 211, 1000}) {
    Buffer<double> x(n);
    Buffer<uint32_t> places(n + 1);
    for (size_t i = 0; i < n; i++) x[i] = static_cast<double>(random.below(40));
    for (const double high : {-1.0, 12.0, 20.0, static_cast<double>(INFINITY)}) {
      size_t below = 0, want_below = 0, at = 0;
      const size_t count = k->within(x.data(), n, 12, high, places.data(), &below);
      for (size_t i = 0; i < n; i++) {
        want_below += x[i] < 12 ? 1 : 0;
        if (x[i] < 12 || x[i] > high) continue;
        CHECK(at < count && places[at] == i, "%s place %zu of %zu", k->isa, at, count);
        at++;
      }
      CHECK(at == count && below == want_below, "%s range of %zu: %zu inside, %zu below", k->isa, n, count, below);
    }
  }
}

void softmax(const gd_kernels *k) {
  Random random(6);
  double worst = 0;
  for (size_t n = 1; n < 200; n += n < 70 ? 1 : 13) {
    Buffer<double> distance(n);
    const double scale = std::pow(10, random.between(-3, 4));
    double nearest = INFINITY;
    for (size_t i = 0; i < n; i++) nearest = std::fmin(nearest, distance[i] = 50 + random.between(0, 30) / scale);
    CHECK(k->smallest(distance.data(), n) == nearest, "%s smallest of %zu", k->isa, n);
    long double want = 0, want_sq = 0;
    for (size_t i = 0; i < n; i++) {
      const long double w = expl(static_cast<long double>((nearest - distance[i]) * scale));
      want += w, want_sq += w * w;
    }
    double mass = 3, mass_sq = 5;
    k->softmax_mass(distance.data(), n, nearest, scale, &mass, &mass_sq);
    const double error = std::fmax(std::fabs(static_cast<double>((mass - 3 - want) / want)), std::fabs(static_cast<double>((mass_sq - 5 - want_sq) / want_sq)));
    worst = std::fmax(worst, error);
    CHECK(error < 1e-14 * (10 + static_cast<double>(n)), "%s mass of %zu rows off by %g", k->isa, n, error);
  }
  std::printf("%s: masses off by at most %.2g, relative\n", k->isa, worst);
}

void products_of_matrices(const gd_kernels *k) {
  Random random(5);
  for (const size_t m : {1, 3, 4, 5, 17})
    for (const size_t n : {1, 4, 7, 16, 33})
      for (const size_t depth : {0, 1, 7, 8, 9, 64, 67}) {
        Buffer<double> a(m * depth), b(n * depth), c(m * n);
        std::vector<double> want(m * n);
        for (size_t i = 0; i < a.size(); i++) a[i] = random.between(-1, 1);
        for (size_t i = 0; i < b.size(); i++) b[i] = random.between(-1, 1);
        for (size_t i = 0; i < c.size(); i++) want[i] = c[i] = random.between(-1, 1);
        k->gemm_nt_minus(a.data(), depth, b.data(), depth, c.data(), n, m, n, depth);
        for (size_t i = 0; i < m; i++)
          for (size_t j = 0; j < n; j++) {
            for (size_t p = 0; p < depth; p++) want[i * n + j] -= a[i * depth + p] * b[j * depth + p];
            CHECK(std::fabs(c[i * n + j] - want[i * n + j]) < 1e-13, "%s %zu x %zu x %zu at (%zu, %zu)", k->isa, m, n, depth, i, j);
          }
      }
}

}  // namespace

int main() {
  const gd_kernels *all[] = {gd_kernels_scalar(),
#if defined(__x86_64__)
                             gd_kernels_avx2(), gd_kernels_avx512()
#elif defined(__aarch64__)
                             gd_kernels_neon()
#endif
  };
  for (const gd_kernels *k : all) {
    if (k == nullptr) continue;
    products(k);
    exponential(k);
    distances(k);
    integer_sums(k);
    distances_by_products(k);
    weights(k);
    digits(k);
    weighted(k);
    ranges(k);
    softmax(k);
    products_of_matrices(k);
    golddiff_test::engine_tests(k);
    golddiff_test::group_tests(k);
    golddiff_test::memory_tests(k);
    golddiff_test::region_tests(k);
    golddiff_test::relevance_tests(k);
    golddiff_test::word_tests(k);
    golddiff_test::rank_tests(k);
  }
  std::printf("%ld checks, %ld failed\n", golddiff_test::checks, golddiff_test::failures);
  return golddiff_test::failures == 0 && golddiff_test::checks > 0 ? 0 : 1;
}
