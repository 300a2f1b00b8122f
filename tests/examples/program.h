/* SPDX-License-Identifier: MIT */
/* The examples as their users meet them: built programs, run as processes. */
#ifndef COIL_TESTS_EXAMPLES_PROGRAM_H
#define COIL_TESTS_EXAMPLES_PROGRAM_H

#include "support/callable.h"
#include "support/process.h"

#include <cstdint>
#include <sys/types.h>
#include <vector>

namespace coil_test {

/* Where the build has put an example. */
std::string example(const std::string &name);

/* A line of shell that runs it, as an argument of run_shell(). */
std::string example_command(const std::string &name, const std::string &arguments);

/* A process that runs beside the test. Killed and waited for at the end of its block. */
class Program {
public:
    /* `prepare` is called in the process before it becomes the program, for what is to be denied.
     */
    explicit Program(
        const std::vector<std::string> &words, const Callable<void> &prepare = [] {});
    ~Program();
    Program(const Program &) = delete;
    Program &operator=(const Program &) = delete;

    pid_t pid() const { return pid_; }
    void signal(int number) const;

    /* The next line of its output, without the end; what there is when none comes in time. */
    std::string read_line();

    /* Waits for its end: status and the rest of its output. Kills it when that takes too long. */
    Outcome wait();

private:
    bool read_more();

    pid_t pid_;
    int output_;
    std::string text_; /* read, but not yet returned */
};

/* An example that serves, on a free port of the loopback. */
class Server : public Program {
public:
    explicit Server(
        const std::string &name, std::vector<std::string> options = {},
        const Callable<void> &prepare = [] {});

    /* 0 when it did not say where it listens. */
    uint16_t port() const { return port_; }

    size_t count_descriptors() const;

    /* Whether it has something of that kind open, like "[eventpoll]". */
    bool has_open(const std::string &kind) const;

    /* Waits until it has no more than `count` open. Returns whether that came in time. */
    bool wait_for_descriptors(size_t count) const;

private:
    uint16_t port_;
};

/* Seconds that anything in these tests may take, far more than it does. */
int patience();

} // namespace coil_test

#endif
