#include "step.h"

#include "error.h"

namespace golddiff {

void Step::check() const {
  if (closed_) throw cancelled();
}

Step::Part &Step::part(Partition &partition) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto &found = parts_[partition.id()];
  if (!found) found = std::make_unique<Part>();
  return *found;
}

void Step::restrict(Partition &partition, std::vector<Candidates> candidates) {
  for (const auto &own : candidates)
    for (size_t k = 0; k < own.rows.size(); k++)
      if (own.rows[k] >= partition.n() || (k > 0 && own.rows[k] <= own.rows[k - 1]))
        throw EngineError("ARGUMENT_INVALID", "Expected candidates to ascend below " + std::to_string(partition.n()) + " but received row " +
                                                  std::to_string(own.rows[k]));
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  if (!own.chain.empty()) throw EngineError("ARGUMENT_INVALID", "Expected candidates before anything else is asked of a partition");
  own.candidates = std::move(candidates);
}

Scalars Step::scalars(Partition &partition, const Cuts &cuts, const std::vector<double> &pool_share) {
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  check();
  return scalars_of(own, partition, cuts, pool_share);
}

std::vector<PoolProof> Step::proofs(Partition &partition) {
  Part &own = part(partition);
  std::lock_guard<std::mutex> lock(own.mutex);
  return own.proofs;
}

}  // namespace golddiff
