/* SPDX-License-Identifier: MIT */
#include "sweep/point.h"

#include "support/sandbox.h"
#include "support/sanitizer.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <dirent.h>
#include <mutex>
#include <sstream>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace coil_test {
namespace {

/* Of one point: it is there to end what hangs, on a machine that may be busy. */
constexpr unsigned kPatienceSeconds = kSanitized ? 120 : 60;

constexpr int kLinesKept = 40;

const char *const kKindNames[] = {"memory", "call", "result", "loss"};

/* ---- what the library says ---- */

std::mutex log_lock;
std::string log_text;
int log_lines;

void take_line(const char *line)
{
    std::lock_guard<std::mutex> guard(log_lock);
    if (log_lines++ < kLinesKept)
        log_text += std::string("    ") + line + "\n";
}

/* ---- which point it was, also when there is no way on ---- */

char now_running[1024]; /* for handlers of signals */

void say_now_running()
{
    ssize_t ignored = write(STDERR_FILENO, now_running, strlen(now_running));
    (void)ignored;
}

void on_end(int signal)
{
    static const char hung[] = "the sweep HANGS:\n";
    if (signal == SIGALRM && write(STDERR_FILENO, hung, strlen(hung)) < 0)
        _exit(1);
    say_now_running();
    struct sigaction usual = {};
    usual.sa_handler = SIG_DFL;
    sigaction(SIGABRT, &usual, nullptr);
    abort();
}

void watch_for_the_end()
{
    struct sigaction action = {};
    action.sa_handler = on_end;
    sigaction(SIGALRM, &action, nullptr);
    sigaction(SIGABRT, &action, nullptr);
}

/* ---- what must be the same afterwards ---- */

std::set<int> open_descriptors()
{
    std::set<int> numbers;
    DIR *folder = opendir("/proc/self/fd");
    while (const dirent *entry = readdir(folder)) {
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder))
            numbers.insert(atoi(entry->d_name));
    }
    closedir(folder);
    return numbers;
}

/* Whose handler each signal has; a simulated world that has ended still listens for SIGABRT. */
std::vector<void *> handlers()
{
    std::vector<void *> all;
    for (int number = 1; number < NSIG; number++) {
        struct sigaction now = {};
        sigaction(number, nullptr, &now);
        all.push_back(number == SIGABRT ? nullptr : reinterpret_cast<void *>(now.sa_handler));
    }
    return all;
}

struct Belongings {
    std::set<int> descriptors = open_descriptors();
    std::vector<void *> handlers_of_signals = handlers();
    Ledger of_library = ledger();
};

std::string describe_descriptor(int fd)
{
    char target[256] = "";
    std::string link = "/proc/self/fd/" + std::to_string(fd);
    ssize_t len = readlink(link.c_str(), target, sizeof(target) - 1);
    return std::to_string(fd) + " -> " + std::string(target, len < 0 ? 0 : size_t(len));
}

std::string compare(const Belongings &before, const Belongings &after)
{
    std::string text = compare_ledgers(before.of_library, after.of_library);
    for (int fd : after.descriptors) {
        if (before.descriptors.count(fd) == 0)
            text += "a descriptor more: " + describe_descriptor(fd) + "; ";
    }
    for (int fd : before.descriptors) {
        if (after.descriptors.count(fd) == 0)
            text += "a descriptor less: " + std::to_string(fd) + "; ";
    }
    for (size_t i = 0; i < before.handlers_of_signals.size(); i++) {
        if (before.handlers_of_signals[i] != after.handlers_of_signals[i])
            text += "another handler of signal " + std::to_string(i + 1) + "; ";
    }
    return text;
}

/* ---- the run ---- */

const char *ring_of(char driver)
{
    switch (driver) {
    case 'k':
        return "kernel";
    case 'p':
        return "poll";
    case 's':
        return "sim:1,faults=off";
    default:
        return nullptr;
    }
}

int run_body(void *scenario)
{
    return static_cast<const Scenario *>(scenario)->body();
}

int run_scenario(const Point &point, void (*log)(const char *line))
{
    const Scenario &scenario = *point.scenario;
    coil_options options = cores(scenario.cores);
    options.ring = ring_of(point.driver);
    options.ring_entries = 64;
    options.spin_ns = COIL_SPIN_OFF;
    options.stall_ns = scenario.stall_ns;
    options.stack_size = scenario.stack_size;
    options.recv_buffer_count = 4;
    options.recv_buffer_size = 512;
    options.blocking_threads = 2;
    options.log = log;
    if (scenario.outside != nullptr)
        return scenario.outside();
    return coil_run(&options, run_body, const_cast<Scenario *>(&scenario));
}

bool explains(const Tally &tally, int result)
{
    if (result >= 0)
        return result == 0;
    if (tally.errors.count(-result) != 0)
        return true;
    /* A kernel that knows none of our flags is one that lacks io_uring. */
    return result == -ENOSYS && tally.errors.count(EINVAL) != 0;
}

std::string judge(const Point &point, const Verdict &verdict)
{
    const Tally &tally = verdict.tally;
    if (explains(tally, verdict.result))
        return "";
    if (tally.failed > 0 && point.scenario->also.count(verdict.result) != 0)
        return "";
    std::ostringstream out;
    out << "the result " << verdict.result << " (" << strerror(-verdict.result)
        << ") is explained by nothing that failed; ";
    return out.str();
}

void begin(const Point &point)
{
    std::string text = "    at " + text_of(point) + "; to repeat it: " + command_of(point) + "\n";
    strncpy(now_running, text.c_str(), sizeof(now_running) - 1);
    watch_for_the_end();
    alarm(kPatienceSeconds);
    log_text.clear();
    log_lines = 0;
}

Verdict run_with_log(const Point &point, void (*log)(const char *line))
{
    Verdict verdict = {};
    begin(point);
    Belongings before;
    arm(point.fault);
    verdict.result = run_scenario(point, log);
    verdict.tally = disarm();
    Belongings after;
    alarm(0);
    signal(SIGABRT, SIG_DFL);
    verdict.complaint = judge(point, verdict) + compare(before, after);
    verdict.log = log_text;
    return verdict;
}

/* ---- in a child ---- */

enum { DONE = 0, UNTOUCHED = 77, COMPLAINS = 78 };

[[noreturn]] void be_child(const Point &point, int output)
{
    rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    dup2(output, STDERR_FILENO);
    Verdict verdict = run_with_log(point, nullptr);
    dprintf(STDERR_FILENO, "%s", verdict.complaint.c_str());
    _exit(!verdict.complaint.empty() ? COMPLAINS : verdict.tally.failed > 0 ? DONE : UNTOUCHED);
}

/* Whether it explained its death in the way of runtime/README.md. */
bool says_that_the_ring_is_lost(const std::string &text)
{
    return text.find("the ring is lost, and what is in flight can't be waited for") !=
           std::string::npos;
}

} // namespace

Verdict run_point(const Point &point)
{
    return run_with_log(point, take_line);
}

Verdict run_in_child_process(const Point &point)
{
    Verdict verdict = {};
    int ends[2];
    if (pipe(ends) < 0)
        return {-errno, {}, "no pipe", ""};
    fflush(nullptr);
    pid_t pid = fork();
    if (pid == 0)
        be_child(point, ends[1]);
    close(ends[1]);
    verdict.log = read_to_end(ends[0]);
    close(ends[0]);
    int status = -1;
    waitpid(pid, &status, 0);
    bool exited = WIFEXITED(status);
    verdict.tally.failed = exited && WEXITSTATUS(status) == UNTOUCHED ? 0 : 1;
    bool died_well = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
                     says_that_the_ring_is_lost(verdict.log);
    bool ended_well = exited && (WEXITSTATUS(status) == DONE || WEXITSTATUS(status) == UNTOUCHED);
    if (!died_well && !ended_well)
        verdict.complaint = "the child ended with status " + std::to_string(status);
    return verdict;
}

std::string text_of(const Point &point)
{
    const Fault &fault = point.fault;
    std::ostringstream out;
    out << point.scenario->name << ' ' << point.driver << ' ' << kKindNames[int(fault.kind)] << ' '
        << fault.at << ' ' << (fault.ever ? "ever" : "once") << ' ' << fault.choice;
    return out.str();
}

Point point_of(const std::string &text)
{
    std::istringstream in(text);
    std::string name, kind, how_often;
    Point point = {};
    in >> name >> point.driver >> kind >> point.fault.at >> how_often >> point.fault.choice;
    point.fault.ever = how_often == "ever";
    for (int i = 0; i < 4; i++) {
        if (kind == kKindNames[i])
            point.fault.kind = Kind(i);
    }
    for (const Scenario &scenario : scenarios()) {
        if (in && name == scenario.name)
            point.scenario = &scenario;
    }
    return point;
}

std::string command_of(const Point &point)
{
    char program[PATH_MAX] = "coil_sweep_tests";
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (len > 0)
        program[len] = '\0';
    return "COIL_SWEEP='" + text_of(point) + "' " + program + " --gtest_filter=Sweep.RunsOnePoint";
}

} // namespace coil_test
