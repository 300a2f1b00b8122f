/* SPDX-License-Identifier: MIT */
/* Each public header stands alone, in C11 and in C++17, and may be included twice. */
#include "support/process.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const std::string kInclude = std::string(COIL_TEST_SOURCE_DIR) + "/include";

/* As users write them: "coil.h", "coil/fd.h". */
std::vector<std::string> list_headers()
{
    std::vector<std::string> names;
    for (const auto &entry : fs::recursive_directory_iterator(kInclude)) {
        if (entry.path().extension() == ".h")
            names.push_back(fs::relative(entry.path(), kInclude).string());
    }
    return names;
}

/* Whether a file that includes only `header` compiles, with the compiler's words if not. */
testing::AssertionResult compiles_alone(const std::string &compiler, const std::string &header,
                                        const std::string &before = "")
{
    std::string line = "#include <" + header + ">\\n";
    coil_test::Outcome outcome =
        coil_test::run_shell("printf '" + before + line + line + "' | " + compiler +
                             " -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
                             " -fsyntax-only -I " +
                             coil_test::quote(kInclude) + " -");
    if (outcome.status == 0)
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << header << ":\n" << outcome.output;
}

const std::string kC = std::string(COIL_TEST_CC) + " -std=c11 -Wstrict-prototypes -x c";
const std::string kCxx = std::string(COIL_TEST_CXX) + " -std=c++17 -x c++";

} // namespace

TEST(Header, CompilesAloneAsC11)
{
    for (const std::string &header : list_headers())
        EXPECT_TRUE(compiles_alone(kC, header));
}

TEST(Header, CompilesAloneAsCxx17)
{
    for (const std::string &header : list_headers())
        EXPECT_TRUE(compiles_alone(kCxx, header));
}

TEST(Header, CheckFindsADefect)
{
    ASSERT_FALSE(list_headers().empty());
    EXPECT_FALSE(compiles_alone(kC, "coil/no_such_header.h"));
    EXPECT_FALSE(compiles_alone(kC, "coil.h", "#define coil_run 1\\n"));
    EXPECT_FALSE(compiles_alone(kCxx, "coil.h", "#define coil_run 1\\n"));
}
