/* SPDX-License-Identifier: MIT */
/* Other programs, and a folder to work in. */
#ifndef COIL_TESTS_SUPPORT_PROCESS_H
#define COIL_TESTS_SUPPORT_PROCESS_H

#include <string>

namespace coil_test {

struct Outcome {
    int status;         /* exit status; 128 + N after signal N, as the shell counts */
    std::string output; /* stdout and stderr together */
};

/* Runs a line of shell and waits for it. The output is without_notice(). */
Outcome run_shell(const std::string &command);

/* Without the line by which a run tells that another driver than the usual one was chosen for it:
 * what a test expects is the same under COIL_RING=poll. */
std::string without_notice(const std::string &output);

/* `text` as one word of shell. */
std::string quote(const std::string &text);

std::string read_file(const std::string &path);
void write_file(const std::string &path, const std::string &text);

/* An empty folder that is removed, with all that is in it, at the end of its block. */
class TempDir {
public:
    TempDir();
    ~TempDir();
    TempDir(const TempDir &) = delete;
    TempDir &operator=(const TempDir &) = delete;

    std::string path(const std::string &name = "") const;

private:
    std::string path_;
};

} // namespace coil_test

#endif
