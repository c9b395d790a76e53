#include "direct_distance.h"

namespace golddiff {

DirectDistance::DirectDistance(const gd_kernels &kernels, const RowSet &rows, const QueryValues &query, double alpha)
    : kernels_(kernels), rows_(rows), q_(query.x), scale_(rows.pixels ? alpha / rows.pixels->divisor() : alpha) {
  if (!rows.pixels) return;
  for (auto &value : q_) value += alpha;
}

double DirectDistance::operator()(size_t row) const {
  if (rows_.floats) return kernels_.distance_f32(q_.data(), rows_.floats->row(row), scale_, q_.size());
  const PixelRows &pixels = *rows_.pixels;
  return pixels.planes() == 1 && !pixels.in_words() ? kernels_.distance_u8(q_.data(), pixels.row(row), scale_, q_.size()) : pixels.distance(q_.data(), row, scale_);
}

}  // namespace golddiff
