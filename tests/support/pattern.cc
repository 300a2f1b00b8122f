/* SPDX-License-Identifier: MIT */
#include "support/pattern.h"

#include <regex>

namespace coil_test {

bool matches(const std::string &text, const std::string &pattern)
{
    return std::regex_match(text, std::regex(pattern));
}

std::vector<std::vector<std::string>> find_all(const std::string &text, const std::string &pattern)
{
    const std::regex regex(pattern);
    std::vector<std::vector<std::string>> found;
    for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it)
        found.emplace_back(it->begin(), it->end());
    return found;
}

std::vector<std::string> split(const std::string &text, const std::string &pattern)
{
    const std::regex regex(pattern);
    return {std::sregex_token_iterator(text.begin(), text.end(), regex, -1), {}};
}

} // namespace coil_test
