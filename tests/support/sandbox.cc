/* SPDX-License-Identifier: MIT */
/* Seccomp, limits and users. */
#include "support/sandbox.h"

extern "C" {
#include "base/log.h"
}

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace coil_test {
namespace {

int report_fd = -1;

void require(bool condition, const char *what)
{
    if (condition)
        return;
    dprintf(report_fd, "the sandbox failed: %s: %s\n", what, strerror(errno));
    _exit(99);
}

void report(const char *line)
{
    dprintf(report_fd, "%s\n", line);
}

/* The result of an int function does not fit into an exit status: it goes first. */
[[noreturn]] void be_child(int fd, const Callable<int> &function)
{
    report_fd = fd;
    coil__log_to(report);
    int result = function();
    dprintf(fd, "=%d\n", result);
    _exit(0);
}

} // namespace

std::string read_to_end(int fd)
{
    std::string text;
    char buffer[4096];
    for (ssize_t len; (len = read(fd, buffer, sizeof(buffer))) > 0;)
        text.append(buffer, size_t(len));
    return text;
}

ChildOutcome run_in_child(const Callable<int> &function)
{
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    fflush(nullptr);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        be_child(ends[1], function);
    }
    close(ends[1]);
    std::string text = read_to_end(ends[0]);
    close(ends[0]);
    int status = -1;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << "the child ended with status " << status << " after saying:\n"
        << text;
    size_t at = text.rfind('=');
    if (at == std::string::npos)
        return {-1, text};
    return {atoi(text.c_str() + at + 1), text.substr(0, at)};
}

bool deny_system_call(long number, int error, uint32_t arg1_min, uint32_t arg1_max)
{
    /* Of a 64-bit argument the low half: on the machines we run on it comes first. */
    constexpr uint32_t kArg1 = offsetof(seccomp_data, args) + sizeof(uint64_t);
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, uint32_t(number), 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kArg1),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, arg1_min, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, arg1_max, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | uint32_t(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

void become_nobody(uint64_t memlock)
{
    rlimit limit = {memlock, memlock};
    auto uid = uid_t(1000000 + getpid());
    require(setrlimit(RLIMIT_MEMLOCK, &limit) == 0, "setrlimit");
    require(setgroups(0, nullptr) == 0, "setgroups");
    require(setresgid(uid, uid, uid) == 0, "setresgid");
    require(setresuid(uid, uid, uid) == 0, "setresuid");
}

bool is_root()
{
    return geteuid() == 0;
}

} // namespace coil_test
