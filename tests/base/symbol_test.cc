/* SPDX-License-Identifier: MIT */
/* From an address to the line of its source. */
#include "support/process.h"

extern "C" {
#include "base/symbol.h"
}

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <string>

using namespace coil_test;

namespace {

__attribute__((noinline)) std::string line_of_caller()
{
    char text[256];
    coil__symbol_line(__builtin_return_address(0), text, sizeof(text));
    return text;
}

bool ends_with(const std::string &text, const std::string &end)
{
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

TEST(Symbol, NamesTheLineOfACall)
{
    if (run_shell("command -v addr2line").status != 0)
        GTEST_SKIP() << "there is no addr2line";
    std::string line = line_of_caller();
    EXPECT_TRUE(ends_with(line, "base/symbol_test.cc:" + std::to_string(__LINE__ - 1))) << line;
}

TEST(Symbol, WithoutAddr2lineNamesTheProgramAndTheOffset)
{
    std::string path = getenv("PATH");
    setenv("PATH", "/nowhere", 1);
    std::string line = line_of_caller();
    setenv("PATH", path.c_str(), 1);
    EXPECT_NE(line.find("coil_base_tests+0x"), std::string::npos) << line;
}

TEST(Symbol, OfAnAddressThatBelongsToNoFileIsNoLine)
{
    char text[64];
    coil__symbol_line(reinterpret_cast<void *>(0x10), text, sizeof(text));
    EXPECT_STREQ("+0xf", text);
}

TEST(Symbol, IsCutOffWhereTheRoomEnds)
{
    char text[8] = "xxxxxxx";
    coil__symbol_line(reinterpret_cast<void *>(&line_of_caller), text, sizeof(text));
    EXPECT_LT(strlen(text), sizeof(text));
}

} // namespace
