/* SPDX-License-Identifier: MIT */
/* Every invariant of runtime/README.md names tests, and they exist. */
#include "support/pattern.h"
#include "support/process.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <set>
#include <string>

using coil_test::find_all;
using coil_test::read_file;

namespace {

std::set<std::string> all_matches(const std::string &text, const std::string &pattern)
{
    std::set<std::string> names;
    for (const auto &match : find_all(text, pattern))
        names.insert(match[1] + "." + match[2]);
    return names;
}

std::set<std::string> tests_in_sources()
{
    std::set<std::string> names;
    const std::string test = "TEST(?:_F|_P)?\\(\\s*(\\w+),\\s*(\\w+)\\)";
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
    for (const std::string &name : all_matches(invariants(), "`([A-Z]\\w+)\\.([A-Z]\\w+)`"))
        EXPECT_EQ(1u, existing.count(name)) << name;
}

TEST(RuntimeReadme, NamesATestForEveryInvariant)
{
    std::vector<std::string> parts = coil_test::split(invariants(), "\n\\d+\\. ");
    EXPECT_GT(parts.size(), 20u);
    for (size_t i = 1; i < parts.size(); i++)
        EXPECT_NE(std::string::npos, parts[i].find('`')) << parts[i];
}

} // namespace
