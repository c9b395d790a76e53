#include "voters.h"

#include <algorithm>

namespace golddiff {

namespace {
/* Instruction sets of the baseline have no such instruction. */
inline size_t bits_set(uint64_t v) {
  v -= v >> 1 & 0x5555555555555555;
  v = (v & 0x3333333333333333) + (v >> 2 & 0x3333333333333333);
  v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0f;
  return static_cast<size_t>(v * 0x0101010101010101 >> 56);
}

/* First and last values of the runs of one word that `mine` have and `theirs` have not. */
struct RunEnds {
  RunEnds(const uint64_t *mine, const uint64_t *theirs) {
    const uint64_t before = mine[-1] & ~theirs[-1], here = mine[0] & ~theirs[0], behind = mine[1] & ~theirs[1];
    first = here & ~(here << 1 | before >> 63);
    last = here & ~(here >> 1 | behind << 63);
  }
  uint64_t first, last;
};

/* Calls run(from, to) for each, ascending. */
template <typename Run>
void each_run(const std::vector<uint64_t> &mine, const std::vector<uint64_t> &theirs, const Run &run) {
  uint32_t from = 0;
  for (size_t word = 1; word + 1 < mine.size(); word++) {
    RunEnds ends(mine.data() + word, theirs.data() + word);
    const auto place = [word](uint64_t bits) { return static_cast<uint32_t>((word - 1) * 64 + static_cast<size_t>(__builtin_ctzll(bits))); };
    while (ends.last != 0) {
      /* A first one further on belongs to the run behind this one. */
      const uint32_t to = place(ends.last) + 1;
      if (ends.first != 0 && place(ends.first) < to) {
        from = place(ends.first);
        ends.first &= ends.first - 1;
      }
      run(from, to);
      ends.last &= ends.last - 1;
    }
    if (ends.first != 0) from = place(ends.first);
  }
}
}  // namespace

void Voters::assign(const uint32_t *runs, size_t count) {
  std::fill(words_.begin(), words_.end(), 0);
  for (size_t r = 0; r < count; r++) {
    const uint32_t from = runs[2 * r], to = runs[2 * r + 1];
    for (uint32_t word = from / 64; word * 64 < to; word++) {
      const uint32_t low = std::max(from, word * 64) - word * 64, high = std::min(to, word * 64 + 64) - word * 64;
      words_[word + 1] |= ~uint64_t{0} << low & ~uint64_t{0} >> (64 - high);
    }
  }
}

size_t Voters::places_from(const Voters &base) const {
  size_t places = 0;
  for (size_t word = 1; word + 1 < words_.size(); word++) {
    const RunEnds more(words_.data() + word, base.words_.data() + word), less(base.words_.data() + word, words_.data() + word);
    places += 2 * bits_set(more.first | less.first) - bits_set((more.first & more.last) | (less.first & less.last));
  }
  return places;
}

void Voters::list_places_from(const Voters &base, uint32_t squares, std::vector<uint32_t> &more, std::vector<uint32_t> &less) const {
  more.clear();
  less.clear();
  const auto add = [squares](std::vector<uint32_t> &own, std::vector<uint32_t> &other) {
    return [&own, &other, squares](uint32_t from, uint32_t to) {
      if (to - from == 1) {
        own.push_back(squares + from);
        return;
      }
      own.push_back(to);
      other.push_back(from);
    };
  };
  each_run(words_, base.words_, add(more, less));
  each_run(base.words_, words_, add(less, more));
  std::sort(more.begin(), more.end());
  std::sort(less.begin(), less.end());
}

}  // namespace golddiff
