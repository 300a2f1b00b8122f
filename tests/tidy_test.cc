/* SPDX-License-Identifier: MIT */
/* The shape of the code: STYLE's rules that a machine can check, and that the check can fail. */
#include "tidy_rules.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace {

namespace fs = std::filesystem;
using tidy::Findings;
using tidy::SourceFile;

/* Where threads meet. Everything else belongs to one thread. */
const tidy::Exceptions kAtomics = {
    {"/mpsc.h", "the queue of messages between cores"},
    {"/fds.h", "which numbers are sockets, for all cores"},
    {"/mailbox.c", "the mailbox of a core"},
    {"runtime/core/fork.c", "whichever thread forks looks for the run"},
    {"/spinlock.h", "the two ends of a channel between cores"},
    {"/worker.c", "threads are started, joined, and take turns here"},
    {"runtime/coro/local.c", "a key gets its number once, from whichever core is first"},
    {"runtime/ring/ring.h", "the kernel writes the tail of the completion queue"},
    {"runtime/ring/ring.c", "the kernel reads the head of the completion queue"},
    {"runtime/ring/kernel.c", "the kernel reads the tail of the submission queue"},
    {"runtime/ring/host.c", "orders the mappings of threads' rings"},
    {"runtime/ring/poll.h", "the lock by which a worker is told to stop"},
    {"runtime/ring/poll_jobs.c", "a worker is told to stop while it has something to stop"},
    {"runtime/ring/poll_net.c",
     "reads the tail of the ring of receive buffers as the kernel would"},
    {"runtime/core/buffers.c", "the kernel reads the tail of the ring of receive buffers"},
    {"runtime/core/stall.c", "the watcher of stalls, and the signal handler that answers it"},
    {"runtime/coro/fault.c", "one handler of SIGSEGV for all cores, opened and closed by each"},
    {"runtime/coro/thread.c", "one key of all threads, made by the first that can"},
    {"runtime/core/signals.c", "a handler may interrupt any thread, and posts to cores"},
    {"runtime/core/pool.c", "a pool is opened once, by whichever core is first"},
    {"runtime/base/workers.h", "the lock of a pool of threads"},
    {"runtime/base/workers.c", "one thread waits for another's work here"},
    {"runtime/sim/bell.c", "threads of the program reach into a simulated world"},
    {"runtime/base/log.c", "lines of several threads share stderr; never on an operation's path"},
};

/* Who may use the heap: for what is made once for a run, a core or a chunk of stacks. */
const tidy::Exceptions kHeap = {
    {"runtime/core/run.c", "the table of cores: as many as the machine has"},
    {"runtime/core/worker.c", "one block for each thread"},
    {"runtime/ops/resolve.c", "a lookup may outlive the call; the resolver allocates anyway"},
    {"runtime/core/pool.c", "one block for each pool of threads"},
    {"runtime/ring/poll.c", "the driver of a core"},
    {"runtime/ring/poll_ops.c", "slabs of operations, kept: as many as ever waited at once"},
    {"runtime/ring/poll_files.c", "the table of descriptors, which grows and stays"},
    {"runtime/core/buffers.c", "a core's table of receive buffers, made by its first receiver"},
    {"runtime/sim/world.c", "the table of simulated cores"},
    {"runtime/sim/stage.c", "the table of simulated cores' loops"},
    {"runtime/sim/driver.c", "one block for each simulated ring"},
    {"runtime/sim/file.c", "the table of simulated descriptors"},
    {"runtime/sim/socket.c", "simulated sockets, and what is on the way to them"},
    {"runtime/sim/disk.c", "simulated files"},
    {"runtime/sim/work.c", "work that no thread has taken, which may be any"},
    {"runtime/sim/regular.c", "open files of the simulated disk"},
    {"runtime/sim/op.c", "the operations of a simulated kernel, in chunks"},
    {"runtime/coro/stack.c", "the descriptions of chunks of stacks"},
    {"runtime/serve/listener.c", "what each core has of a listener"},
    {"runtime/ops/acceptor.c", "connections accepted ahead: 256 at most, and few ever have any"},
};

bool is_text(const fs::path &path)
{
    static const char *const suffixes[] = {".c",  ".h",    ".cc", ".txt", ".cmake",
                                           ".in", ".json", ".md", ".sh"};
    std::string suffix = path.extension();
    bool is_script = suffix.empty(); /* tests/run and the like */
    return is_script ||
           std::find(std::begin(suffixes), std::end(suffixes), suffix) != std::end(suffixes);
}

SourceFile read_source(const fs::path &top, const fs::path &path)
{
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    fs::path header = path;
    header.replace_extension(".h");
    bool has_own_header = path.extension() == ".c" && fs::exists(header);
    return {fs::relative(path, top).string(), text.str(), has_own_header};
}

std::vector<SourceFile> read_project()
{
    const fs::path top = COIL_TEST_SOURCE_DIR;
    std::vector<SourceFile> files;
    for (const char *folder : {"runtime", "include", "tests", "bench", "examples", ".ci"}) {
        if (!fs::exists(top / folder))
            continue;
        for (const auto &entry : fs::recursive_directory_iterator(top / folder)) {
            if (entry.is_regular_file() && is_text(entry.path()))
                files.push_back(read_source(top, entry.path()));
        }
    }
    for (const char *name : {"CMakeLists.txt", "CMakePresets.json", "README.md"}) {
        if (fs::exists(top / name))
            files.push_back(read_source(top, top / name));
    }
    return files;
}

/* Applies a rule to every file, and fails with all that it finds. */
template <typename Rule> void expect_tidy(Rule rule)
{
    std::vector<SourceFile> files = read_project();
    EXPECT_GT(files.size(), 20u) << "the sources were not found";

    std::string all;
    for (const SourceFile &file : files) {
        for (const std::string &finding : rule(file))
            all += "\n" + finding;
    }
    if (!all.empty())
        ADD_FAILURE() << all;
}

/* An exception that nobody needs any more would let the next offender pass. */
template <typename Rule> void expect_all_needed(const tidy::Exceptions &exceptions, Rule rule)
{
    std::vector<SourceFile> files = read_project();
    for (const tidy::Exception &exception : exceptions) {
        bool needed = false;
        for (const SourceFile &file : files) {
            std::string path = "/" + file.path, end = exception.path;
            bool applies = path.size() >= end.size() &&
                           path.compare(path.size() - end.size(), end.size(), end) == 0;
            needed = needed || (applies && !rule(file, {}).empty());
        }
        EXPECT_TRUE(needed) << exception.path << " is listed for nothing";
    }
}

SourceFile source(const char *path, const std::string &text, bool has_own_header = false)
{
    return {path, text, has_own_header};
}

std::string repeat(const std::string &text, int count)
{
    std::string all;
    while (count-- > 0)
        all += text;
    return all;
}

} // namespace

TEST(Tidy, LayersKnowOnlyLowerOnes)
{
    expect_tidy(tidy::check_layers);
}

TEST(Tidy, FilesAreShort)
{
    expect_tidy(tidy::check_file_length);
}

TEST(Tidy, FunctionsAreShort)
{
    expect_tidy(tidy::check_function_length);
}

TEST(Tidy, LinesAreShort)
{
    expect_tidy(tidy::check_line_length);
}

TEST(Tidy, PublicDeclarationsAreExplained)
{
    expect_tidy(tidy::check_doc_comments);
}

TEST(Tidy, FilesNameTheirLicence)
{
    expect_tidy(tidy::check_licence);
}

TEST(Tidy, NothingIsLeftForLater)
{
    expect_tidy(tidy::check_marks);
}

TEST(Tidy, NoTestIsForgotten)
{
    expect_tidy(tidy::check_disabled_tests);
}

TEST(Tidy, NoSanitizerIsToldToLookAway)
{
    expect_tidy(tidy::check_suppressions);
}

TEST(Tidy, FunctionsHaveNoConditionalCompilation)
{
    expect_tidy(tidy::check_conditionals);
}

TEST(Tidy, ThreadsMeetOnlyInListedFiles)
{
    expect_tidy([](const SourceFile &file) { return tidy::check_atomics(file, kAtomics); });
    expect_all_needed(kAtomics, tidy::check_atomics);
}

TEST(Tidy, OnlyListedFilesUseTheHeap)
{
    expect_tidy([](const SourceFile &file) { return tidy::check_heap(file, kHeap); });
    expect_all_needed(kHeap, tidy::check_heap);
}

/* Each rule finds what it is there for. */

TEST(TidyRules, UpwardAndSidewardIncludesAreFound)
{
    EXPECT_EQ(Findings{"runtime/ring/a.c:1: ring may not know core"},
              tidy::check_layers(source("runtime/ring/a.c", "#include \"core/core.h\"\n")));
    EXPECT_EQ(Findings{"runtime/ops/a.c:1: ops may not know sync"},
              tidy::check_layers(source("runtime/ops/a.c", "#include \"sync/chan.h\"\n")));
    EXPECT_EQ(1u, tidy::check_layers(source("runtime/odd/a.c", "int a;\n")).size());
    EXPECT_EQ(1u, tidy::check_layers(source("runtime/ops/a.c", "#include \"b.h\"\n")).size());
}

TEST(TidyRules, IncludesOutOfOrderAreFound)
{
    const char *descending =
        "#include \"ring/a.h\"\n#include \"ring/b.h\"\n#include \"base/c.h\"\n";
    const char *ascending = "#include \"ring/a.h\"\n#include \"base/b.h\"\n#include \"coro/c.h\"\n";
    EXPECT_EQ(Findings{}, tidy::check_layers(source("runtime/ring/a.c", descending, true)));
    EXPECT_EQ(Findings{"runtime/ring/a.c:3: own folder first, then lower and lower folders"},
              tidy::check_layers(source("runtime/ring/a.c", ascending, true)));
    EXPECT_EQ(Findings{"runtime/ring/b.c:1: its own header \"ring/b.h\" must come first"},
              tidy::check_layers(source("runtime/ring/b.c", descending, true)));
}

TEST(TidyRules, LongFilesAreFound)
{
    EXPECT_EQ(0u, tidy::check_file_length(source("bench/a.c", repeat("x\n", 500))).size());
    EXPECT_EQ(1u, tidy::check_file_length(source("bench/a.c", repeat("x\n", 501))).size());
    EXPECT_EQ(0u, tidy::check_file_length(source("tests/a_test.cc", repeat("x\n", 501))).size());
}

TEST(TidyRules, LongFunctionsAreFound)
{
    std::string before = "struct s {\n    int a;\n};\n\n/* { */\nstatic int f(int a,\n";
    auto with_lines = [&](int count) {
        std::string text =
            before + "             int b)\n{\n" + repeat("    a();\n", count - 4) + "}\n";
        return tidy::check_function_length(source("runtime/base/a.c", text + "\nint b;\n"));
    };
    EXPECT_EQ(Findings{}, with_lines(70));
    EXPECT_EQ(Findings{"runtime/base/a.c:6: a function of 71 lines; 70 at most"}, with_lines(71));
}

TEST(TidyRules, LongLinesAreFound)
{
    EXPECT_EQ(0u, tidy::check_line_length(source("a.c", repeat("x", 100) + "\n")).size());
    EXPECT_EQ(1u, tidy::check_line_length(source("a.c", repeat("x", 101) + "\n")).size());
    EXPECT_EQ(0u, tidy::check_line_length(source("a.c", repeat("\u25b6", 100) + "\n")).size());
}

TEST(TidyRules, UnexplainedDeclarationsAreFound)
{
    auto count = [](const std::string &text) {
        return tidy::check_doc_comments(source("include/coil/a.h", text)).size();
    };
    EXPECT_EQ(0u, count("#ifndef COIL_A_H\n#define COIL_A_H\n\nCOIL_BEGIN_DECLS\n"));
    EXPECT_EQ(0u, count("/* Does. */\nint coil_a(int a,\n           int b);\nint coil_b(void);\n"));
    EXPECT_EQ(0u, count("int coil_a; /* Is. */\n\nstruct iovec;\n"));
    EXPECT_EQ(0u, count("/* Does. */\nint coil_a(void);\n\nvoid coil_a_start(int b);\n"));
    EXPECT_EQ(1u, count("/* Does. */\nint coil_b(void);\n\nvoid coil_a_start(int b);\n"));
    EXPECT_EQ(1u, count("/* Does. */\nint coil_a(void);\n\nint coil_b(void);\n"));
    EXPECT_EQ(1u, count("struct coil_a {\n    int b; /* A member. */\n};\n"));
    EXPECT_EQ(1u, count("#define COIL_A(a) \\\n    (a)\n"));
}

TEST(TidyRules, MissingLicencesAreFound)
{
    EXPECT_EQ(0u,
              tidy::check_licence(source("a.c", "/* SPDX-License-Identifier: MIT */\n")).size());
    EXPECT_EQ(0u,
              tidy::check_licence(source("run", "#!/x\n# SPDX-License-Identifier: MIT\n")).size());
    EXPECT_EQ(1u,
              tidy::check_licence(source("a.c", "\n/* SPDX-License-Identifier: MIT */\n")).size());
}

TEST(TidyRules, MarksAreFound)
{
    EXPECT_EQ(1u, tidy::check_marks(source("a.c", "/* TODO: more */\n")).size());
    EXPECT_EQ(0u, tidy::check_marks(source("a.c", "int TODOS;\n")).size());
}

TEST(TidyRules, TestsThatNothingRunsAreFound)
{
    const std::string disabled = "TEST(A, DISABLED_B)\n";
    const std::string starts_it = "run(\"--gtest_also_run_disabled_tests\");\n";
    EXPECT_EQ(1u, tidy::check_disabled_tests(source("a_test.cc", disabled)).size());
    EXPECT_EQ(0u, tidy::check_disabled_tests(source("a_test.cc", disabled + starts_it)).size());
}

TEST(TidyRules, SuppressionsInTheLibraryAreFound)
{
    const char *text = "__attribute__((no_sanitize(\"thread\"))) int f(void);\n";
    EXPECT_EQ(1u, tidy::check_suppressions(source("runtime/core/a.c", text)).size());
    EXPECT_EQ(0u, tidy::check_suppressions(source("tests/core/a_test.cc", text)).size());
}

TEST(TidyRules, ConditionalsInFunctionsAreFound)
{
    const char *outside = "#ifdef A\nint a;\n#endif\n";
    const char *inside = "int f(void)\n{\n#ifdef A\n    g();\n#endif\n}\n";
    EXPECT_EQ(Findings{}, tidy::check_conditionals(source("a.c", outside)));
    EXPECT_EQ(1u, tidy::check_conditionals(source("a.c", inside)).size());
}

TEST(TidyRules, AtomicsElsewhereAreFound)
{
    const tidy::Exceptions exceptions = {{"/mpsc.h", "a reason"}};
    auto count = [&](const char *path, const char *text) {
        return tidy::check_atomics(source(path, text), exceptions).size();
    };
    EXPECT_EQ(1u, count("runtime/core/a.c", "#include <stdatomic.h>\n"));
    EXPECT_EQ(1u, count("runtime/core/a.c", "__atomic_load_n(&a, __ATOMIC_RELAXED);\n"));
    EXPECT_EQ(0u, count("runtime/core/a.c", "/* not an _Atomic */\n"));
    EXPECT_EQ(0u, count("runtime/base/mpsc.h", "__atomic_load_n(&a, __ATOMIC_RELAXED);\n"));
    EXPECT_EQ(1u, count("runtime/base/not_mpsc.h", "__atomic_load_n(&a, __ATOMIC_RELAXED);\n"));
}

TEST(TidyRules, HeapUsersAreFound)
{
    auto count = [](const char *text) {
        return tidy::check_heap(source("runtime/core/a.c", text), {}).size();
    };
    EXPECT_EQ(1u, count("    p = malloc(1);\n"));
    EXPECT_EQ(1u, count("    free(p);\n"));
    EXPECT_EQ(0u, count("    coil__slot_free(p);\n    log(\"malloc(1)\"); /* free(p) */\n"));
}

TEST(TidyRules, CommentsAndStringsAreNoCode)
{
    EXPECT_EQ("a    b", tidy::blank_comments_and_strings("a/**/b"));
    EXPECT_EQ("a     b", tidy::blank_comments_and_strings("a\"\\\"{\"b"));
    EXPECT_EQ("a    b", tidy::blank_comments_and_strings("a'\\''b"));
    EXPECT_EQ("a      \nb", tidy::blank_comments_and_strings("a // '{\nb"));
    EXPECT_EQ("       \n   b", tidy::blank_comments_and_strings("R\"x(\"{ \n)x\"b"));
}
