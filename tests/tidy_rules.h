/* SPDX-License-Identifier: MIT */
/* The rules of the code's shape that a machine can check. They know our layout of the code, as
 * clang-format leaves it, not the language. */
#ifndef COIL_TESTS_TIDY_RULES_H
#define COIL_TESTS_TIDY_RULES_H

#include <string>
#include <vector>

namespace tidy {

struct SourceFile {
    std::string path; /* from the top of the project: "runtime/ring/reap.c" */
    std::string text;
    bool has_own_header; /* a .c file with a .h file of the same name beside it */
};

/* What is wrong, as "path:line: sentence"; empty when nothing is. */
using Findings = std::vector<std::string>;

/* A file that may do what others may not. */
struct Exception {
    const char *path; /* a whole path, or "/name.h" for files of that name anywhere */
    const char *reason;
};
using Exceptions = std::vector<Exception>;

Findings check_layers(const SourceFile &file);
Findings check_file_length(const SourceFile &file);
Findings check_function_length(const SourceFile &file);
Findings check_line_length(const SourceFile &file);
Findings check_doc_comments(const SourceFile &file);
Findings check_licence(const SourceFile &file);
Findings check_marks(const SourceFile &file);
Findings check_disabled_tests(const SourceFile &file);
Findings check_suppressions(const SourceFile &file);
Findings check_conditionals(const SourceFile &file);
Findings check_atomics(const SourceFile &file, const Exceptions &exceptions);
Findings check_heap(const SourceFile &file, const Exceptions &exceptions);

/* `text` with spaces in place of comments and of what stands in quotes; lines stay lines. */
std::string blank_comments_and_strings(const std::string &text);

} // namespace tidy

#endif
