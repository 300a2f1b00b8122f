/* SPDX-License-Identifier: MIT */
/* Every script on every driver: what the kernel answers, the others answer as well. */
#include "conformance/player.h"
#include "support/running.h"

#include <coil/sim.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <unistd.h>

using namespace conformance;
using namespace coil_test;

namespace conformance {

void PrintTo(const Script &script, std::ostream *out)
{
    *out << script.name;
}

} // namespace conformance

namespace {

/* An answer that was possible is found among so many seeds, at last. */
constexpr uint64_t kSeedsMax = 300;
constexpr uint64_t kSeedsMin = 5;

/* A fresh folder, which goes with its contents. */
class Folder {
public:
    Folder()
    {
        char name[] = "/tmp/coil-conformance-XXXXXX";
        EXPECT_NE(nullptr, mkdtemp(name));
        path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;

    std::string path;
};

/* "buffers COUNT SIZE" as a first step: of the core's receivers. */
void set_options(const Steps &steps, coil_options *options)
{
    const Words &words = steps.at(0).words;
    if (words.at(0) != "buffers")
        return;
    options->recv_buffer_count = unsigned(std::stoi(words.at(1)));
    options->recv_buffer_size = std::stoul(words.at(2));
}

/* One result for each step, and that of the run. */
Results play_on(const std::string &ring, const Steps &steps)
{
    Folder folder;
    Results results;
    coil_options options = cores(1);
    options.ring = ring.c_str();
    options.log = [](const char *) {}; /* which driver runs; that a script waits for nothing */
    set_options(steps, &options);
    int end = run(
        [&] {
            COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
            {
                Player player(folder.path);
                for (const Step &step : steps)
                    results.push_back(step.words[0] == "buffers" ? "" : player.play(step.words));
            }
            return coil_scope_close(&scope, 0);
        },
        options);
    results.push_back(in_words(end));
    return results;
}

/* The last result, of the run, has no step. */
bool agree(const Steps &steps, const std::string &driver, const Results &results,
           const Results &reference)
{
    if (results.size() != reference.size() || results.back() != reference.back())
        return false;
    for (size_t i = 0; i < steps.size(); i++) {
        if (!may_answer(steps[i], driver, results[i], reference[i]))
            return false;
    }
    return true;
}

std::string padded(const std::string &text, size_t width)
{
    return text + std::string(text.size() < width ? width - text.size() : 1, ' ');
}

/* Both side by side; what differs is marked. */
std::string compare(const Steps &steps, const std::string &driver, const Results &reference,
                    const Results &results)
{
    std::string text = "\n  " + padded("step", 44) + padded("kernel", 28) + driver + "\n";
    for (size_t i = 0; i < reference.size(); i++) {
        bool is_end = i >= steps.size();
        std::string here = i < results.size() ? results[i] : "(missing)";
        bool differs =
            is_end ? here != reference[i]
                   : !may_answer(steps[i], driver.substr(0, driver.find(':')), here, reference[i]);
        text += differs ? "! " : "  ";
        text += padded(is_end ? "(the run)" : steps[i].line, 44);
        text += padded(reference[i], 28) + here + "\n";
    }
    return text;
}

std::string replay(const std::string &ring)
{
    const testing::TestInfo *test = testing::UnitTest::GetInstance()->current_test_info();
    return "again: COIL_CONFORMANCE_RING=" + ring +
           (ring.compare(0, 3, "sim") == 0 ? " COIL_SIM_TRACE=1" : "") +
           " coil_conformance_tests --gtest_filter='" + test->test_suite_name() + "." +
           test->name() + "'";
}

/* Whether the environment asks for that one alone. */
bool is_wanted(const std::string &ring)
{
    const char *only = getenv("COIL_CONFORMANCE_RING");
    return only == nullptr || ring == only;
}

void expect_agreement(const Steps &steps, const std::string &ring, const Results &reference)
{
    if (!is_wanted(ring))
        return;
    std::string driver = ring.substr(0, ring.find(':'));
    Results results = play_on(ring, steps);
    EXPECT_TRUE(agree(steps, driver, results, reference))
        << compare(steps, ring, reference, results) << replay(ring);
}

/* The kernel's answers are among those of a simulated one that is late, short and in disorder. */
void expect_possible(const Steps &steps, const Results &reference)
{
    std::set<Results> seen;
    bool found = false;
    for (uint64_t seed = 1; seed <= kSeedsMax && !(found && seed > kSeedsMin); seed++) {
        Results results = play_on("sim:" + std::to_string(seed), steps);
        found = found || agree(steps, "sim", results, reference);
        seen.insert(results);
    }
    EXPECT_TRUE(found) << "of " << seen.size() << " outcomes in simulated worlds, one:"
                       << compare(steps, "sim:1", reference, *seen.begin()) << replay("sim:1");
}

Scripts all_scripts()
{
    Scripts all;
    for (const Scripts *some : {&kStreamScripts, &kListenerScripts, &kMessageScripts, &kFileScripts,
                                &kPollScripts, &kCancelScripts, &kBufferScripts, &kMistakeScripts})
        all.insert(all.end(), some->begin(), some->end());
    return all;
}

class Conformance : public testing::TestWithParam<Script> {};

TEST_P(Conformance, OfAllDriversWithTheKernel)
{
    Steps steps = read_steps(GetParam().text);
    int probe = run([] { return 0; }, on_kernel());
    if (probe != 0)
        GTEST_SKIP() << "io_uring is refused here";
    Results reference = play_on("kernel", steps);
    ASSERT_EQ("0", reference.back()) << compare(steps, "kernel", reference, reference);
    expect_agreement(steps, "kernel", reference);
    expect_agreement(steps, "poll", reference);
    expect_agreement(steps, "sim:1,faults=off", reference);
    expect_agreement(steps, "sim:2,faults=off", reference);
    if (is_wanted("sim:1"))
        expect_possible(steps, reference);
}

INSTANTIATE_TEST_SUITE_P(Script, Conformance, testing::ValuesIn(all_scripts()),
                         [](const auto &script) { return std::string(script.param.name); });

TEST(ConformanceItself, MarksWhatDiffersAndKnowsItsLeeways)
{
    Steps steps = read_steps("nop | poll -EAGAIN: in a test\n sleep 1\n");
    Results kernel = {"0", "0", "0"}, poll = {"-EAGAIN", "0", "0"}, wrong = {"0", "-EIO", "0"};
    EXPECT_TRUE(agree(steps, "poll", kernel, kernel));
    EXPECT_TRUE(agree(steps, "poll", poll, kernel));
    EXPECT_FALSE(agree(steps, "sim", poll, kernel));
    EXPECT_FALSE(agree(steps, "poll", wrong, kernel));
    EXPECT_FALSE(agree(steps, "poll", {"0", "0"}, kernel));
    EXPECT_FALSE(agree(steps, "poll", {"0", "0", "-EDEADLK"}, kernel));
    EXPECT_NE(std::string::npos, compare(steps, "poll", kernel, wrong).find("! sleep 1"));
    EXPECT_THROW(read_steps("nop | poll -EAGAIN"), std::invalid_argument);
}

} // namespace
