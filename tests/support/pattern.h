/* SPDX-License-Identifier: MIT */
/* Regular expressions (ECMAScript's). <regex> itself is included only behind this: it takes the
 * compiler seconds for every file that uses it. */
#ifndef COIL_TESTS_SUPPORT_PATTERN_H
#define COIL_TESTS_SUPPORT_PATTERN_H

#include <string>
#include <vector>

namespace coil_test {

/* Whether all of the text matches. */
bool matches(const std::string &text, const std::string &pattern);

/* Every match in the text: what matched, and then each of the pattern's groups. */
std::vector<std::vector<std::string>> find_all(const std::string &text, const std::string &pattern);

/* What lies before, between and behind the matches. */
std::vector<std::string> split(const std::string &text, const std::string &pattern);

} // namespace coil_test

#endif
