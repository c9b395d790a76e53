/* Makes operator new of the whole driver fail on demand. */
#pragma once

namespace golddiff_test {

/* The allocation after `count` more, on any thread, throws std::bad_alloc; with `once` that one alone, else every later one too. */
void fail_allocation(long count, bool once);
/* From now on none fails. Whether one has. */
bool allocate_again();

}  // namespace golddiff_test
