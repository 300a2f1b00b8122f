/* SPDX-License-Identifier: MIT */
/* What README.md tells a newcomer is so. */
#include "support/pattern.h"
#include "support/process.h"

#include <gtest/gtest.h>
#include <unistd.h>

using namespace coil_test;

namespace {

const std::string kTop = COIL_TEST_SOURCE_DIR;

} // namespace

TEST(Readme, ShowsAProgramThatCompilesWithoutWarnings)
{
    std::string readme = read_file(kTop + "/README.md");
    size_t begin = readme.find("```c\n"), end = readme.find("```", begin + 5);
    ASSERT_NE(std::string::npos, end);

    TempDir dir;
    write_file(dir.path("program.c"), readme.substr(begin + 5, end - begin - 5));
    Outcome outcome = run_shell(COIL_TEST_CC " -std=gnu11 -Wall -Wextra -Werror -fsyntax-only -I " +
                                quote(kTop + "/include") + " " + dir.path("program.c"));
    EXPECT_EQ(0, outcome.status) << outcome.output;
}

/* A word in backquotes with a slash that begins with one of our folders is a path. */
TEST(Readme, NamesOnlyPathsThatExist)
{
    std::string readme = read_file(kTop + "/README.md");
    auto paths =
        find_all(readme, "`((?:include|runtime|examples|tests|bench|\\.ci)/[A-Za-z_./]*)`");
    EXPECT_GT(paths.size(), 5u);
    for (const auto &path : paths)
        EXPECT_EQ(0, access((kTop + "/" + path[1]).c_str(), F_OK)) << path[1];
}
