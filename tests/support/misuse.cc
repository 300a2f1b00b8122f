/* SPDX-License-Identifier: MIT */
#include "support/misuse.h"

#include <csignal>
#include <unistd.h>

namespace coil_test {
namespace {

#ifdef NDEBUG
constexpr bool kKnowsOrigin = false;
#else
constexpr bool kKnowsOrigin = true;
#endif

bool is_outside(const Misuse &misuse)
{
    return *misuse.who == 0;
}

std::string line(const Misuse &misuse)
{
    std::string who = is_outside(misuse) ? "" : std::string("; in coroutine ") + misuse.who;
    std::string earlier = is_simulated() ? "^(coil: sim seed [0-9]+ trace [0-9a-f]+\n)?" : "^";
    return earlier + "coil: runtime/" + misuse.place + ":[0-9]+: " + misuse.sentence + who + "\n" +
           (is_outside(misuse) ? "(" + replay_line() + ")?" : replay_line()) + "$";
}

} // namespace

std::string in_flight(const std::string &kind)
{
    std::string origin = kKnowsOrigin ? ": " + kind + ", started at [^ ]*tests/[^ ]+:[0-9]+" : "";
    return "a coroutine returned with an operation in flight" + origin;
}

void PrintTo(const Misuse &misuse, std::ostream *out)
{
    *out << misuse.name;
}

std::string name_of_misuse(const testing::TestParamInfo<Misuse> &info)
{
    return info.param.name;
}

TEST_P(MisuseDeathTest, IsStoppedWithThisLine)
{
    const Misuse &misuse = GetParam();
    if (misuse.not_simulated != nullptr)
        COIL_SKIP_IF_SIMULATED(misuse.not_simulated);
    if (misuse.not_sanitized != nullptr && kSanitized)
        GTEST_SKIP() << misuse.not_sanitized;
    EXPECT_EXIT(
        _exit(is_outside(misuse) ? misuse.body() : run(misuse.body, cores(misuse.core_count))),
        testing::KilledBySignal(SIGABRT), line(misuse));
}

} // namespace coil_test
