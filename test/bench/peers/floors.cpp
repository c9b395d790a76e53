// What the machine allows: bytes read a second by all cores from one buffer, and 8-bit integer multiply-adds a second from registers.
// Usage: floors THREADS. Reads requests, one a line: `describe`, `read BYTES REPEATS`, `int8 MILLISECONDS`; answers one JSON line each.
// A read takes every byte of the buffer once, in contiguous shares, with four independent sums a thread: nothing but loads is in the loop's way.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

using Clock = std::chrono::steady_clock;

double msSince(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

volatile uint64_t sink;

uint64_t readShare(const uint64_t* words, size_t count) {
  size_t i = 0;
  uint64_t total = 0;
#if defined(__AVX512F__)
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
  for (; i + 32 <= count; i += 32) {
    a = _mm512_add_epi64(a, _mm512_loadu_si512(words + i));
    b = _mm512_add_epi64(b, _mm512_loadu_si512(words + i + 8));
    c = _mm512_add_epi64(c, _mm512_loadu_si512(words + i + 16));
    d = _mm512_add_epi64(d, _mm512_loadu_si512(words + i + 24));
  }
  uint64_t lanes[8];
  _mm512_storeu_si512(lanes, _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(c, d)));
  for (uint64_t lane : lanes) total += lane;
#else
  uint64_t a = 0, b = 0, c = 0, d = 0;
  for (; i + 4 <= count; i += 4) {
    a += words[i];
    b += words[i + 1];
    c += words[i + 2];
    d += words[i + 3];
  }
  total = a + b + c + d;
#endif
  for (; i < count; i++) total += words[i];
  return total;
}

const char* productName() {
#if defined(__AVX512VNNI__)
  return "avx512-vnni";
#elif defined(__AVX2__)
  return "avx2";
#else
  return "none";
#endif
}

// u8 x s8 products summed into 32 bits, `rounds` times over accumulators that fill the registers; answers the multiply-adds done.
double productLoop(long rounds) {
#if defined(__AVX512VNNI__)
  constexpr int kSums = 16;
  __m512i sums[kSums];
  for (auto& s : sums) s = _mm512_setzero_si512();
  __m512i u = _mm512_set1_epi8(3), v = _mm512_set1_epi8(-5);
  for (long r = 0; r < rounds; r++) {
    asm volatile("" : "+v"(u), "+v"(v));
    for (auto& s : sums) s = _mm512_dpbusd_epi32(s, u, v);
  }
  __m512i all = sums[0];
  for (int k = 1; k < kSums; k++) all = _mm512_add_epi32(all, sums[k]);
  uint64_t lanes[8];
  _mm512_storeu_si512(lanes, all);
  sink = sink + lanes[0];
  return static_cast<double>(rounds) * kSums * 64;
#elif defined(__AVX2__)
  constexpr int kSums = 8;
  __m256i sums[kSums];
  for (auto& s : sums) s = _mm256_setzero_si256();
  __m256i u = _mm256_set1_epi8(3), v = _mm256_set1_epi8(-5);
  const __m256i ones = _mm256_set1_epi16(1);
  for (long r = 0; r < rounds; r++) {
    asm volatile("" : "+x"(u), "+x"(v));
    for (auto& s : sums) s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(u, v), ones));
  }
  __m256i all = sums[0];
  for (int k = 1; k < kSums; k++) all = _mm256_add_epi32(all, sums[k]);
  sink = sink + static_cast<uint64_t>(_mm256_extract_epi32(all, 0));
  return static_cast<double>(rounds) * kSums * 32;
#else
  (void)rounds;
  return 0;
#endif
}

// float32 multiply-adds over accumulators that fill the registers; answers how many were done.
double floatLoop(long rounds) {
  constexpr int kSums = 12;
#if defined(__AVX512F__)
  typedef float Lanes __attribute__((vector_size(64)));
#elif defined(__AVX2__)
  typedef float Lanes __attribute__((vector_size(32)));
#else
  typedef float Lanes __attribute__((vector_size(16)));
#endif
  Lanes sums[kSums], u = Lanes{} + 0.999f, v = Lanes{} + 0.001f;
  for (auto& s : sums) s = Lanes{};
  for (long r = 0; r < rounds; r++) {
    for (auto& s : sums) s = s * u + v;
    asm volatile("" : "+m"(u), "+m"(v));
  }
  Lanes all = sums[0];
  for (int k = 1; k < kSums; k++) all += sums[k];
  sink = sink + static_cast<uint64_t>(all[0]);
  return static_cast<double>(rounds) * kSums * (sizeof(Lanes) / sizeof(float));
}

void onAll(int threads, const std::function<void(int)>& work) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; t++) others.emplace_back(work, t);
  work(0);
  for (auto& other : others) other.join();
}

void answerTimes(const std::vector<double>& times, double amount) {
  std::printf("{\"ok\":true,\"amount\":%.0f,\"times\":[", amount);
  for (size_t i = 0; i < times.size(); i++) std::printf("%s%.4f", i ? "," : "", times[i]);
  std::printf("]}\n");
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
  std::vector<uint64_t> buffer;
  char line[256];
  while (std::fgets(line, sizeof line, stdin)) {
    long long bytes = 0, repeats = 0;
    if (std::sscanf(line, "read %lld %lld", &bytes, &repeats) == 2 && bytes >= 4096 && repeats >= 1) {
      const size_t words = static_cast<size_t>(bytes) / 8;
      if (buffer.size() != words) {
        buffer.assign(words, 0);
        buffer.shrink_to_fit();
        for (size_t i = 0; i < words; i++) buffer[i] = i * 0x9e3779b97f4a7c15ull;
      }
      std::vector<double> times;
      for (long long r = 0; r < repeats + 1; r++) {
        std::vector<uint64_t> totals(static_cast<size_t>(threads));
        const auto start = Clock::now();
        onAll(threads, [&](int t) {
          const size_t from = words * static_cast<size_t>(t) / static_cast<size_t>(threads), to = words * static_cast<size_t>(t + 1) / static_cast<size_t>(threads);
          totals[static_cast<size_t>(t)] = readShare(buffer.data() + from, to - from);
        });
        if (r > 0) times.push_back(msSince(start));
        for (auto total : totals) sink = sink + total;
      }
      answerTimes(times, static_cast<double>(words * 8));
    } else if (std::strncmp(line, "int8", 4) == 0 || std::strncmp(line, "float", 5) == 0) {
      constexpr long kRounds = 4'000'000;
      const auto loop = line[0] == 'i' ? productLoop : floatLoop;
      std::vector<double> done(static_cast<size_t>(threads));
      loop(kRounds / 20);
      const auto start = Clock::now();
      onAll(threads, [&](int t) { done[static_cast<size_t>(t)] = loop(kRounds); });
      const double ms = msSince(start);
      double all = 0;
      for (double d : done) all += d;
      answerTimes({ms}, all);
    } else if (std::strncmp(line, "describe", 8) == 0) {
      std::printf("{\"ok\":true,\"library\":\"floors\",\"version\":\"%s\",\"threads\":%d}\n", productName(), threads);
    } else {
      std::printf("{\"ok\":false,\"message\":\"Expected describe, read BYTES REPEATS, int8 or float\"}\n");
    }
    std::fflush(stdout);
  }
  return 0;
}
