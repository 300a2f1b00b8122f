/* SPDX-License-Identifier: MIT */
/* Every invariant of runtime/README.md names tests, and they exist. */
#include "support/process.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <regex>
#include <set>
#include <string>

using coil_test::read_file;

namespace {

std::set<std::string> all_matches(const std::string &text, const std::regex &pattern)
{
    std::set<std::string> names;
    for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it)
        names.insert((*it)[1].str() + "." + (*it)[2].str());
    return names;
}

std::set<std::string> tests_in_sources()
{
    std::set<std::string> names;
    const std::regex test("TEST(?:_F|_P)?\\(\\s*(\\w+),\\s*(\\w+)\\)");
    for (const auto &entry :
         std::filesystem::recursive_directory_iterator(COIL_TEST_SOURCE_DIR "/tests")) {
        if (entry.path().extension() == ".cc")
            names.merge(all_matches(read_file(entry.path()), test));
    }
    return names;
}

std::string invariants()
{
    std::string text = read_file(COIL_TEST_SOURCE_DIR "/runtime/README.md");
    size_t begin = text.find("## What always holds");
    size_t end = text.find("\n## ", begin + 1);
    EXPECT_NE(std::string::npos, end);
    return text.substr(begin, end - begin);
}

TEST(RuntimeReadme, NamesOnlyTestsThatExist)
{
    std::set<std::string> existing = tests_in_sources();
    for (const std::string &name :
         all_matches(invariants(), std::regex("`([A-Z]\\w+)\\.([A-Z]\\w+)`")))
        EXPECT_EQ(1u, existing.count(name)) << name;
}

TEST(RuntimeReadme, NamesATestForEveryInvariant)
{
    const std::regex number("\n\\d+\\. ");
    std::string text = invariants();
    size_t count = 0;
    for (std::sregex_token_iterator it(text.begin(), text.end(), number, -1), end; it != end; ++it)
        EXPECT_TRUE(count++ == 0 || it->str().find('`') != std::string::npos) << it->str();
    EXPECT_GT(count, 20u);
}

} // namespace
