/* SPDX-License-Identifier: MIT */
/*
 * Runs every test of the test programs in a process of its own, with a time limit, a few at a
 * time. Prints what failed and why, what was skipped and why, and a closing line.
 */
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fnmatch.h>
#include <fstream>
#include <getopt.h>
#include <list>
#include <string>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

/* Generous: the limit is there to end what hangs, not to judge what is slow on a busy machine. A
 * test that needs longer says so by "Slow" in its name. */
constexpr seconds kLimit{120};
constexpr seconds kSlowLimit{600};
constexpr int kSanitizedFactor = 3;

/* What a test program returns when its test was skipped, and how it then says why. */
constexpr int kExitSkipped = 77;
constexpr const char *kSkipMark = "SKIPPED BECAUSE: ";

struct Test {
    std::string program;
    std::string name; /* Suite.Name */
};

struct Running {
    const Test *test;
    pid_t pid;
    int output; /* a file in memory: a child left behind cannot hold it open against us */
    Clock::time_point started;
    Clock::duration time_left;
    bool timed_out;
};

struct Options {
    size_t jobs = 4;  /* more than CPUs: to take down a ring the kernel waits more than it works */
    seconds limit{0}; /* 0: limit_of() decides */
    bool list = false;
    bool fail_fast = false;
    std::string programs = COIL_TEST_LIST; /* a file with a program on each line */
    std::vector<std::string> filters;
};

struct Took {
    double seconds;
    const Test *test;
};

struct Outcome {
    size_t passed, failed, skipped;
    std::vector<Took> took; /* by each test, in the order of their ends */
};

[[noreturn]] void die(const char *what)
{
    fprintf(stderr, "coil_test_runner: %s: %s\n", what, strerror(errno));
    exit(2);
}

std::string read_all(int fd)
{
    std::string text;
    char buffer[16384];
    ssize_t len;
    lseek(fd, 0, SEEK_SET);
    while ((len = read(fd, buffer, sizeof(buffer))) > 0)
        text.append(buffer, size_t(len));
    return text;
}

/* Starts a program in its own process group, with its output in a new file. */
pid_t start_program(const std::vector<std::string> &words, int *output)
{
    std::vector<char *> argv;
    for (const std::string &word : words)
        argv.push_back(const_cast<char *>(word.c_str()));
    argv.push_back(nullptr);

    *output = memfd_create("output", MFD_CLOEXEC);
    if (*output < 0)
        die("memfd_create");
    fflush(nullptr);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid > 0)
        return pid;

    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    /* ThreadSanitizer, and with many random bits AddressSanitizer too, do not start in every
     * address space. Where this is forbidden we go on, and they mostly start. */
    if (COIL_TEST_SANITIZED)
        personality(ADDR_NO_RANDOMIZE);
    dup2(*output, STDOUT_FILENO);
    dup2(*output, STDERR_FILENO);
    execv(argv[0], argv.data());
    fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* A test that another one starts, in an environment made for it. */
bool is_disabled(const std::string &name)
{
    return name.find("DISABLED_") != std::string::npos;
}

/* Adds the tests of one program, as it lists them: "Suite." and below it "  Name  # comment". */
void list_tests(const std::string &program, std::vector<Test> *tests)
{
    int output, status;
    pid_t pid = start_program({program, "--gtest_list_tests"}, &output);
    if (waitpid(pid, &status, 0) != pid)
        die("waitpid");
    std::string listing = read_all(output);
    close(output);
    if (status != 0) {
        fprintf(stderr, "%s does not list its tests:\n%s", program.c_str(), listing.c_str());
        exit(1);
    }

    std::string suite;
    for (size_t at = 0; at < listing.size();) {
        size_t end = std::min(listing.find('\n', at), listing.size());
        std::string line = listing.substr(at, end - at);
        at = end + 1;
        line = line.substr(0, line.find('#'));
        line.erase(line.find_last_not_of(' ') + 1);
        if (line.empty())
            continue;
        if (line[0] != ' ')
            suite = line;
        else if (!is_disabled(suite + line.substr(2)))
            tests->push_back({program, suite + line.substr(2)});
    }
}

std::vector<Test> list_all_tests(const std::string &programs)
{
    std::vector<Test> tests;
    std::ifstream list(programs);
    std::string program;
    while (std::getline(list, program)) {
        if (!program.empty())
            list_tests(program, &tests);
    }
    return tests;
}

bool matches(const std::string &name, const std::vector<std::string> &filters)
{
    for (const std::string &filter : filters) {
        bool is_pattern = filter.find_first_of("*?") != std::string::npos;
        if (is_pattern ? fnmatch(filter.c_str(), name.c_str(), 0) == 0
                       : name.find(filter) != std::string::npos)
            return true;
    }
    return filters.empty();
}

bool is_slow(const Test &test)
{
    return test.name.find("Slow") != std::string::npos;
}

seconds limit_of(const Test &test)
{
    seconds limit = is_slow(test) ? kSlowLimit : kLimit;
    return COIL_TEST_SANITIZED ? limit * kSanitizedFactor : limit;
}

/* Sanitizers' defaults for tests; what the caller has set wins. */
void set_sanitizer_options()
{
    setenv("ASAN_OPTIONS", "detect_stack_use_after_return=1:strict_string_checks=1", 0);
    setenv("UBSAN_OPTIONS", "print_stacktrace=1", 0);
    setenv("TSAN_OPTIONS", "second_deadlock_stack=1", 0);
}

/* One line that is written over, for somebody who watches. */
class Progress {
public:
    explicit Progress(size_t total) : total_(total), shown_(isatty(STDOUT_FILENO)) {}

    void show(size_t done, const std::string &name)
    {
        if (!shown_)
            return;
        printf("\r\033[K[%zu/%zu] %.60s", done, total_, name.c_str());
        fflush(stdout);
    }

    void clear()
    {
        if (shown_)
            printf("\r\033[K");
    }

private:
    size_t total_;
    bool shown_;
};

Running start_test(const Test &test, seconds limit)
{
    Running running = {&test, 0, -1, Clock::now(), limit, false};
    running.pid = start_program({test.program, "--gtest_brief=1", "--gtest_filter=" + test.name},
                                &running.output);
    return running;
}

std::string describe_status(const Running &running, int status)
{
    if (running.timed_out)
        return "ran into its time limit";
    if (WIFSIGNALED(status))
        return std::string("died of signal ") + strsignal(WTERMSIG(status));
    return "status " + std::to_string(WEXITSTATUS(status));
}

void print_skip_reason(const std::string &name, const std::string &text)
{
    size_t at = text.find(kSkipMark);
    std::string reason = "no reason given";
    if (at != std::string::npos) {
        at += strlen(kSkipMark);
        reason = text.substr(at, text.find('\n', at) - at);
    }
    printf("SKIPPED %s: %s\n", name.c_str(), reason.c_str());
}

/* Judges a test that has ended, and prints what the reader should know of it. */
void finish_test(const Running &running, int status, Outcome *outcome)
{
    /* Whatever it left behind in its process group goes with it. */
    kill(-running.pid, SIGKILL);
    std::string text = read_all(running.output);
    close(running.output);

    const std::string &name = running.test->name;
    std::chrono::duration<double> took = Clock::now() - running.started;
    outcome->took.push_back({took.count(), running.test});
    bool exited = WIFEXITED(status) && !running.timed_out;
    if (exited && WEXITSTATUS(status) == 0) {
        outcome->passed++;
    } else if (exited && WEXITSTATUS(status) == kExitSkipped) {
        outcome->skipped++;
        print_skip_reason(name, text);
    } else {
        outcome->failed++;
        printf("FAILED %s: %s after %.1f s; its output was:\n%s", name.c_str(),
               describe_status(running, status).c_str(), took.count(), text.c_str());
        printf("FAILED %s; to repeat it: %s%s --gtest_filter='%s'\n", name.c_str(),
               COIL_TEST_SANITIZED ? "setarch -R " : "", running.test->program.c_str(),
               name.c_str());
    }
    fflush(stdout);
}

void kill_test(const Running &running)
{
    kill(-running.pid, SIGKILL);
    kill(running.pid, SIGKILL); /* it may not have reached its setpgid() */
}

/* What the runner waits for: the end of a test, or somebody who wants it to end itself; but who
 * started it may have had it ignore that, as nohup(1) does. */
sigset_t awaited_signals()
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction now;
        if (sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&set, number);
    }
    return set;
}

/* Ends as by that signal, and no test outlives the runner. */
[[noreturn]] void end_by(int number, const std::list<Running> &running)
{
    for (const Running &one : running) {
        kill_test(one);
        waitpid(one.pid, nullptr, 0);
    }
    const sigset_t set = awaited_signals();
    signal(number, SIG_DFL);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    _exit(128 + number);
}

/* Takes `elapsed` off what each may still use, and ends those that have nothing left. */
void charge(std::list<Running> *running, Clock::duration elapsed)
{
    for (Running &one : *running) {
        one.time_left -= elapsed;
        if (!one.timed_out && one.time_left < Clock::duration::zero()) {
            one.timed_out = true;
            kill_test(one);
        }
    }
}

/* Returns one that has ended, removed from the list; waits for it, ending those overdue. */
Running wait_for_one(std::list<Running> *running, int *status)
{
    constexpr timespec pause = {0, 200 * 1000 * 1000};
    /* What is longer was a pause of the whole machine, which is nobody's fault. */
    constexpr Clock::duration longest = seconds(1);
    const sigset_t awaited = awaited_signals();
    for (;;) {
        for (auto one = running->begin(); one != running->end(); ++one) {
            if (waitpid(one->pid, status, WNOHANG) == one->pid) {
                Running ended = *one;
                running->erase(one);
                return ended;
            }
        }
        Clock::time_point before = Clock::now();
        int number = sigtimedwait(&awaited, nullptr, &pause);
        if (number > 0 && number != SIGCHLD)
            end_by(number, *running);
        charge(running, std::min(Clock::now() - before, longest));
    }
}

Outcome run_tests(const std::vector<Test> &tests, const Options &options)
{
    const sigset_t awaited = awaited_signals();
    sigprocmask(SIG_BLOCK, &awaited, nullptr);

    Outcome outcome = {};
    Progress progress(tests.size());
    std::list<Running> running;
    size_t started = 0;
    while (started < tests.size() || !running.empty()) {
        while (started < tests.size() && running.size() < options.jobs) {
            const Test &test = tests[started++];
            bool is_limited = options.limit > seconds(0);
            running.push_back(start_test(test, is_limited ? options.limit : limit_of(test)));
        }
        progress.show(started - running.size(), running.back().test->name);
        int status;
        Running ended = wait_for_one(&running, &status);
        progress.clear();
        finish_test(ended, status, &outcome);
        if (options.fail_fast && outcome.failed > 0)
            started = tests.size(); /* and those that are running end by themselves */
    }
    return outcome;
}

/* Where the time went, when there was enough of it to ask. */
void print_slowest(std::vector<Took> took)
{
    constexpr size_t kShown = 10;
    constexpr size_t kMany = 100;
    if (took.size() < kMany)
        return;
    std::partial_sort(took.begin(), took.begin() + kShown, took.end(),
                      [](const Took &a, const Took &b) { return a.seconds > b.seconds; });
    for (size_t i = 0; i < kShown; i++)
        printf("slow: %5.1f s %s\n", took[i].seconds, took[i].test->name.c_str());
}

Options parse_options(int argc, char **argv)
{
    static const option known[] = {
        {"jobs", required_argument, nullptr, 'j'},     {"limit", required_argument, nullptr, 's'},
        {"list", no_argument, nullptr, 'l'},           {"fail-fast", no_argument, nullptr, 'f'},
        {"programs", required_argument, nullptr, 'p'}, {},
    };
    Options options;
    for (int letter; (letter = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
        if (letter == 'l')
            options.list = true;
        else if (letter == 'f')
            options.fail_fast = true;
        else if (letter == 'p')
            options.programs = optarg;
        else if (letter == 'j' && atoi(optarg) > 0)
            options.jobs = size_t(atoi(optarg));
        else if (letter == 's' && atoi(optarg) > 0)
            options.limit = seconds(atoi(optarg));
        else {
            fprintf(stderr, "usage: coil_test_runner [--jobs N] [--limit SECONDS] [--list]"
                            " [--fail-fast] [--programs FILE] [FILTER...]\n");
            exit(2);
        }
    }
    options.filters.assign(argv + optind, argv + argc);
    return options;
}

} // namespace

int main(int argc, char **argv)
{
    Options options = parse_options(argc, argv);
    set_sanitizer_options();

    std::vector<Test> tests;
    for (const Test &test : list_all_tests(options.programs)) {
        if (matches(test.name, options.filters))
            tests.push_back(test);
    }
    /* The slow ones first, so that none is left to run alone at the end. */
    std::stable_partition(tests.begin(), tests.end(), is_slow);
    if (options.list) {
        for (const Test &test : tests)
            printf("%s\n", test.name.c_str());
        return 0;
    }

    Outcome outcome = run_tests(tests, options);
    print_slowest(outcome.took);
    if (tests.empty())
        printf("no test matches\n");
    printf("%zu passed, %zu failed", outcome.passed, outcome.failed);
    if (outcome.skipped > 0)
        printf(", %zu skipped", outcome.skipped);
    printf("\n");
    return outcome.failed > 0 || tests.empty();
}
