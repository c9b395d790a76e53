/*
 * Products of 16-bit words, and proxies that are kept in them: the kernels against plain loops up to the last bit of their range, the room that queries are given, and
 * keys against the integers that they are made of.
 */

#include <cmath>
#include <cstring>
#include <vector>

#include "../engine/step.h"
#include "../engine/word_products.h"
#include "check.h"
#include "generated_data.h"

namespace golddiff_test {

using golddiff::RankWindow;
using golddiff::Step;
using golddiff::StepSettings;
using golddiff::WordProducts;
using golddiff::word_products;

namespace {

/* Around 8, 16 and 32 words, a prime, the proxies of 28 x 28 and 3 x 32 x 32, and more than a strip. */
const size_t DIMS[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 101, 196, 768, 4099};
const size_t COLUMNS[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33};
const size_t ROWS[] = {0, 1, 3, 4, 5, 11, 16, 17, 64, 65, 211};

/* Rows and columns whose sums of magnitudes stay within 32 bits: as large as these may be, with signs by chance or all alike. */
void products(const gd_kernels *k) {
  Random random(21);
  for (const size_t dim : DIMS)
    for (const size_t columns : COLUMNS)
      for (const int64_t row_max : {32768, 32767, 512}) {
        const size_t n = dim > 1000 ? 5 : ROWS[random.below(sizeof ROWS / sizeof *ROWS)];
        const int64_t limb_max = std::min<int64_t>(32768, GD_DOT_WORDS_MAX / (static_cast<int64_t>(std::max<size_t>(1, dim)) * row_max));
        const uint64_t kind = random.below(3);
        const auto word = [&](int64_t largest) {
          const bool negative = kind == 0 ? true : random.below(2) == 0;
          const int64_t size = kind == 2 ? static_cast<int64_t>(random.below(static_cast<uint64_t>(largest) + 1)) : largest;
          return static_cast<int16_t>(std::min<int64_t>(negative ? -size : size, 32767));
        };
        Buffer<int16_t> rows(n * dim + GD_DOT_SLACK / sizeof(int16_t)), q(columns * dim);
        for (size_t i = 0; i < rows.size(); i++) rows[i] = word(row_max);
        for (size_t i = 0; i < q.size(); i++) q[i] = word(limb_max);
        Buffer<uint8_t> packed(k->packed_words_bytes(dim, columns));
        k->pack_words(q.data(), dim, columns, packed.data());
        Buffer<int32_t> out(n * columns);
        Buffer<const int16_t *> at(n);
        for (size_t r = 0; r < n; r++) at[r] = rows.data() + random.below(n) * dim;
        k->dot_s16s16(at.data(), n, dim, packed.data(), columns, out.data());
        for (size_t r = 0; r < n; r++)
          for (size_t c = 0; c < columns; c++) {
            int64_t want = 0;
            for (size_t p = 0; p < dim; p++) want += static_cast<int64_t>(at[r][p]) * q[c * dim + p];
            CHECK(out[r * columns + c] == want, "%s n=%zu D=%zu C=%zu words to %ld row %zu column %zu", k->isa, n, dim, columns, static_cast<long>(row_max), r, c);
          }
      }
}

/* The largest word times the largest digit, as often as a row has values, is a sum of 32 bits; and digits hold what four limbs of 8 bits hold. */
void room() {
  size_t fitting = 0;
  for (size_t factor = 0; factor <= 20; factor++)
    for (size_t dim = 0; dim <= 70000; dim += dim < 1100 ? 1 : 997) {
      const WordProducts own = word_products(dim, factor);
      if (factor < 2 || factor > 16 || dim == 0) CHECK(!own.fit(), "words for %zu values, factor %zu", dim, factor);
      if (!own.fit()) continue;
      fitting++;
      const double largest = static_cast<double>(dim) * own.offset, half = std::ldexp(1, static_cast<int>(own.bits) - 1);
      CHECK(own.offset <= 32768 && own.reach >= WordProducts::REACH_MIN && own.reach <= 32767 && half <= 32768, "%zu values, factor %zu: %g", dim, factor, own.reach);
      CHECK(largest * own.reach <= GD_DOT_WORDS_MAX && largest * half <= GD_DOT_WORDS_MAX, "%zu values, factor %zu overflow", dim, factor);
      double reach = 0;
      for (size_t l = 0; l < own.exact_limbs; l++) reach = reach * 2 * half + (half - 1);
      CHECK(reach >= golddiff::limbs_reach(golddiff::LIMBS_MAX) && own.exact_limbs < golddiff::LIMBS_MAX, "%zu values, factor %zu: %zu limbs", dim, factor, own.exact_limbs);
      /* v and its parts are integers that a double holds. */
      CHECK(2 * largest * golddiff::limbs_reach(golddiff::LIMBS_MAX) <= 0x1p53, "%zu values, factor %zu are too many for a double", dim, factor);
    }
  CHECK(fitting > 3000 && word_products(196, 2).fit() && word_products(768, 2).fit() && word_products(768, 4).fit() && !word_products(768, 8).fit(), "%zu fit", fitting);
}

/* Limbs in words are digits of one integer each: the same as those of four limbs of 8 bits, or one of its own, and x = delta Q + e. */
void limbs(size_t factor) {
  const Data data({3, 3, 16, 16}, true, 31);
  const Queries from = queries_near(data, 2, 32);
  Queries queries = copy_of(from);
  const size_t d = 3 * (16 / factor) * (16 / factor);
  const WordProducts own = word_products(d, factor);
  for (size_t b = 0; b < 2; b++)
    for (const size_t count : {size_t{1}, own.exact_limbs}) {
      const auto &words = queries.limbs(b, count, factor, data.shape, true);
      const auto &bytes = queries.limbs(b, golddiff::LIMBS_MAX, factor, data.shape);
      const auto &values = queries.values(b, factor, data.shape);
      double total = 0;
      for (size_t p = 0; p < d; p++) {
        int64_t q = 0, same = 0;
        for (size_t l = count; l-- > 0;) q = q * (int64_t{1} << own.bits) + words.words[l * d + p];
        for (size_t l = golddiff::LIMBS_MAX; l-- > 0;) same = same * 256 + bytes.q[l * d + p];
        total += static_cast<double>(q);
        if (count > 1) CHECK(q == same, "query %zu value %zu: %lld for %lld", b, p, static_cast<long long>(q), static_cast<long long>(same));
        else CHECK(std::fabs(static_cast<double>(q)) <= own.reach, "query %zu value %zu: %lld", b, p, static_cast<long long>(q));
        CHECK(std::fabs(values.x[p] - words.delta * static_cast<double>(q) - static_cast<double>(words.error[p])) <= 1e-7 * words.delta + 1e-15, "query %zu value %zu", b, p);
      }
      CHECK(words.total == total && (count == 1 || words.delta == bytes.delta), "query %zu: sum %g for %g", b, words.total, total);
    }
}

/* Keys of all rows by proxy, whichever way proxies are kept: of rows as they lie, and of a window, against sums of pixels. */
void keys(const gd_kernels *kernels, ThreadPool &pool, const Partition::Shape &shape, size_t factor) {
  const Data data(shape, true, factor);
  const size_t n = shape.rows, batch = 11, h = shape.height / factor, w = shape.width / factor, d = shape.channels * h * w;
  const Queries queries = queries_near(data, batch, 41);
  const auto partition = data.partition(kernels, pool);
  CHECK(partition->proxies(factor).pixels->in_words() == word_products(d, factor).fit(), "%s words of %zu values", kernels->isa, d);
  StepSettings settings;
  settings.query_ids.assign(batch, 0);
  settings.factor = factor;
  Step step(copy_of(queries), settings);
  std::vector<RankWindow> windows, few;
  for (uint32_t b = 0; b < batch; b++) windows.push_back({b, 0, static_cast<uint32_t>(n)}), few.push_back({b, static_cast<uint32_t>(n / 3), static_cast<uint32_t>(n / 5)});
  const auto all = step.screen(*partition, golddiff::PROXY, {}, nullptr, windows);
  const auto some = step.screen(*partition, golddiff::PROXY, {}, nullptr, few);
  const double area = static_cast<double>(factor * factor);
  double worst = 0;
  for (size_t b = 0; b < batch; b++) {
    std::vector<double> pooled(d);
    golddiff::pool_doubles(queries.x.data() + b * queries.dim, shape, factor, pooled.data());
    for (size_t i = 0; i < n; i++) {
      const size_t at = b * n + i, row = 1000 - all.row_ids[at];
      long double want = 0, size = 0;
      for (size_t p = 0; p < d; p++) {
        int64_t sum = 0;
        for (size_t y = 0; y < factor; y++)
          for (size_t x = 0; x < factor; x++) sum += data.u[row * shape.dim() + (p / (h * w) * shape.height + p / w % h * factor + y) * shape.width + p % w * factor + x];
        const long double value = static_cast<long double>(queries.alpha[b]) * (sum / (127.5L * area) - 1), apart = pooled[p] - value;
        want += apart * apart;
        size += pooled[p] * pooled[p] + value * value;
      }
      const double error = static_cast<double>(fabsl(all.keys[at] - want) / size);
      worst = std::fmax(worst, error);
      /* Queries of 32 bits: half of 2^-31 of the largest value, seen through all of them. */
      CHECK(error < 1e-8, "%s %zu values, query %zu row %zu: key %.17g off by %g", kernels->isa, d, b, row, all.keys[at], error);
      CHECK(i == 0 || all.keys[at - 1] <= all.keys[at], "%s %zu values, query %zu: order of rank %zu", kernels->isa, d, b, i);
    }
    for (size_t i = 0; i < n / 5; i++)
      CHECK(some.keys[b * (n / 5) + i] == all.keys[b * n + n / 3 + i] && some.row_ids[b * (n / 5) + i] == all.row_ids[b * n + n / 3 + i],
            "%s %zu values, query %zu: window at %zu", kernels->isa, d, b, i);
    /* Alone, the same bits. */
    Queries one;
    one.batch = 1, one.dim = queries.dim, one.temperature = queries.temperature;
    one.x.assign(queries.x.begin() + static_cast<std::ptrdiff_t>(b * queries.dim), queries.x.begin() + static_cast<std::ptrdiff_t>((b + 1) * queries.dim));
    one.alpha = {queries.alpha[b]}, one.sigma = {queries.sigma[b]};
    StepSettings own = settings;
    own.query_ids.assign(1, 0);
    Step alone(std::move(one), own);
    const auto same = alone.screen(*partition, golddiff::PROXY, {}, nullptr, {{0, 0, static_cast<uint32_t>(n)}});
    CHECK(n == 0 || std::memcmp(same.keys.data(), all.keys.data() + b * n, n * sizeof(double)) == 0, "%s %zu values, query %zu alone has other keys", kernels->isa, d, b);
  }
  std::printf("%s: proxies of %zu values, factor %zu: keys off by at most %.2g\n", kernels->isa, d, factor, worst);
}

}  // namespace

void word_tests(const gd_kernels *kernels) {
  products(kernels);
  room();
  for (const size_t factor : {2, 4, 8}) limbs(factor);
  ThreadPool pool(2);
  keys(kernels, pool, {0, 1, 4, 4}, 2);
  keys(kernels, pool, {1, 1, 2, 2}, 2);
  keys(kernels, pool, {211, 1, 28, 28}, 2);
  keys(kernels, pool, {67, 3, 32, 32}, 2);
  keys(kernels, pool, {67, 3, 32, 32}, 4);
  keys(kernels, pool, {41, 3, 64, 64}, 2);
  keys(kernels, pool, {41, 1, 48, 48}, 16);
  keys(kernels, pool, {41, 3, 64, 64}, 8);
  keys(kernels, pool, {23, 1, 34, 34}, 17);
}

}  // namespace golddiff_test
