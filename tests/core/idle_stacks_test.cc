/* SPDX-License-Identifier: MIT */
/* Memory of stacks that nobody has needed for long goes back to the kernel. */
#include "support/running.h"
#include "support/sanitizer.h"

#include <algorithm>
#include <sys/mman.h>
#include <vector>

using namespace coil_test;

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kCount = 500, kWarm = 100;

/* Whether there is memory behind an address that is mapped. */
bool is_resident(const void *address)
{
    unsigned char resident = 0;
    auto *page = reinterpret_cast<void *>(uintptr_t(address) & ~(kPage - 1));
    EXPECT_EQ(0, mincore(page, kPage, &resident));
    return (resident & 1) != 0;
}

size_t count_resident(const std::vector<const void *> &addresses)
{
    return size_t(std::count_if(addresses.begin(), addresses.end(), is_resident));
}

TEST(IdleStacks, GiveTheirMemoryBackButForAFewThatStayWarm)
{
    COIL_SKIP_IF_SIMULATED("to be idle for long means nothing");
    EXPECT_EQ(0, run([] {
                  std::vector<const void *> places;
                  Children children;
                  COIL_SCOPE(scope, COIL_FOREVER);
                  for (size_t i = 0; i < kCount; i++) {
                      children.start(scope, [&] {
                          places.push_back(__builtin_frame_address(0));
                          give_way();
                          return 0;
                      });
                  }
                  EXPECT_EQ(0, coil_scope_close(&scope, 0));
                  EXPECT_EQ(kCount, count_resident(places));
                  coil_time give_up = coil_after(60 * COIL_SEC);
                  while (count_resident(places) > kWarm && coil_now() < give_up)
                      EXPECT_EQ(0, coil_sleep(20 * COIL_MSEC));
                  EXPECT_LE(count_resident(places), kWarm);
                  EXPECT_GT(count_resident(places), 0u);
                  return 0;
              }));
}

} // namespace
