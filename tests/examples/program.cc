/* SPDX-License-Identifier: MIT */
#include "examples/program.h"

#include "support/sanitizer.h"

#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace coil_test {
namespace {

using Clock = std::chrono::steady_clock;

pid_t start(const std::vector<std::string> &words, const Callable<void> &prepare, int *output)
{
    std::vector<char *> argv;
    for (const std::string &word : words)
        argv.push_back(const_cast<char *>(word.c_str()));
    argv.push_back(nullptr);

    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        throw std::runtime_error("pipe2");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        prepare();
        execv(argv[0], argv.data());
        _exit(127);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        throw std::runtime_error("fork");
    }
    *output = ends[0];
    return pid;
}

} // namespace

int patience()
{
    return kSanitized ? 60 : 20;
}

std::string example(const std::string &name)
{
    return COIL_TEST_BUILD_DIR "/examples/" + name;
}

std::string example_command(const std::string &name, const std::string &arguments)
{
    return "timeout " + std::to_string(patience()) + " " + quote(example(name)) + " " + arguments;
}

Program::Program(const std::vector<std::string> &words, const Callable<void> &prepare)
    : pid_(start(words, prepare, &output_))
{}

Program::~Program()
{
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    close(output_);
}

void Program::signal(int number) const
{
    kill(pid_, number);
}

/* Returns false at the end of the output, or when none comes in time. */
bool Program::read_more()
{
    char buffer[4096];
    pollfd ready = {output_, POLLIN, 0};
    if (poll(&ready, 1, patience() * 1000) <= 0)
        return false;
    ssize_t n = read(output_, buffer, sizeof(buffer));
    if (n > 0)
        text_.append(buffer, size_t(n));
    return n > 0;
}

std::string Program::read_line()
{
    while (text_.find('\n') == std::string::npos && read_more())
        ;
    if (without_notice(text_) != text_) {
        text_ = without_notice(text_);
        return read_line();
    }
    size_t end = std::min(text_.find('\n'), text_.size());
    std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return line;
}

Outcome Program::wait()
{
    auto deadline = Clock::now() + std::chrono::seconds(patience());
    while (read_more())
        ;
    int status;
    while (waitpid(pid_, &status, WNOHANG) != pid_) {
        if (Clock::now() > deadline)
            kill(pid_, SIGKILL);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    pid_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            without_notice(text_)};
}

Server::Server(const std::string &name, std::vector<std::string> options,
               const Callable<void> &prepare)
    : Program(
          [&] {
              options.insert(options.begin(), {example(name), "--port", "0"});
              return options;
          }(),
          prepare),
      port_(0)
{
    const std::string prefix = "listening on 127.0.0.1:";
    std::string line = read_line();
    if (line.compare(0, prefix.size(), prefix) == 0)
        port_ = uint16_t(std::stoi(line.substr(prefix.size())));
    EXPECT_NE(0, port_) << name << " said: " << line;
}

size_t Server::count_descriptors() const
{
    std::filesystem::directory_iterator all("/proc/" + std::to_string(pid()) + "/fd");
    return size_t(std::distance(begin(all), end(all)));
}

bool Server::has_open(const std::string &kind) const
{
    std::error_code err;
    for (const auto &entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid()) + "/fd")) {
        std::string target = std::filesystem::read_symlink(entry.path(), err);
        if (target.find(kind) != std::string::npos)
            return true;
    }
    return false;
}

bool Server::wait_for_descriptors(size_t count) const
{
    auto deadline = Clock::now() + std::chrono::seconds(patience());
    while (count_descriptors() > count) {
        if (Clock::now() > deadline)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

} // namespace coil_test
