/* SPDX-License-Identifier: MIT */
#include "support/process.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>

namespace coil_test {

std::string without_notice(const std::string &output)
{
    std::stringstream lines(output);
    std::string rest;
    for (std::string line; std::getline(lines, line);) {
        if (line.find("coil: runs on ") != 0)
            rest += line + (lines.eof() ? "" : "\n");
    }
    return rest;
}

Outcome run_shell(const std::string &command)
{
    Outcome outcome = {-1, ""};
    FILE *pipe = popen(("{ " + command + "\n} 2>&1 </dev/null").c_str(), "re");
    if (pipe == nullptr)
        throw std::runtime_error("popen");
    char buffer[4096];
    for (size_t len; (len = fread(buffer, 1, sizeof(buffer), pipe)) > 0;)
        outcome.output.append(buffer, len);
    outcome.output = without_notice(outcome.output);
    int status = pclose(pipe);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome;
}

std::string quote(const std::string &text)
{
    std::string quoted = "'";
    for (char c : text)
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

std::string read_file(const std::string &path)
{
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

void write_file(const std::string &path, const std::string &text)
{
    std::ofstream file(path, std::ios::trunc);
    file << text;
    if (!file.flush())
        throw std::runtime_error("cannot write " + path);
}

TempDir::TempDir()
{
    std::string name = (std::filesystem::temp_directory_path() / "coil-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
        throw std::runtime_error("mkdtemp " + name);
    path_ = name;
}

TempDir::~TempDir()
{
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::path(const std::string &name) const
{
    return name.empty() ? path_ : path_ + "/" + name;
}

} // namespace coil_test
